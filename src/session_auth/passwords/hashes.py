"""Password hashes: checked and replaced so that a newer one is never undone."""

from django.contrib.auth import get_user_model, hashers
from django.contrib.auth.models import AbstractBaseUser
from django.db import router, transaction

from session_auth.sessions import hash_upgrades


def check_password(user: AbstractBaseUser, password: str) -> bool:
    """Say whether ``password`` is that of ``user``, and bring its hash up to date if it is.

    As ``user.check_password()``, which this calls where the user model has its own. But Django's
    writes the new hash whatever the row holds by then: somebody who logs in with an old password
    while it is being changed would put it back. And its new hash would end all sessions.
    """
    # Not type(user), which for request.user is that of a lazy proxy.
    if user.__class__.check_password is not AbstractBaseUser.check_password:
        return user.check_password(password)
    before = user.password

    def upgrade(password: str) -> None:
        user.password = hashers.make_password(password)
        with transaction.atomic(using=router.db_for_write(get_user_model())):
            if replace_hash(user, before=before):
                hash_upgrades.note(user, before=before)
            else:
                user.password = before

    return hashers.check_password(password, before, upgrade)


def replace_hash(user: AbstractBaseUser, *, before: str) -> bool:
    """Store ``user.password`` if the row still holds the hash ``before``; say whether it did."""
    rows = get_user_model()._base_manager.filter(pk=user.pk, password=before)
    return bool(rows.update(password=user.password))
