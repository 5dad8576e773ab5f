"""Check and replace password hashes, without ever undoing a newer one."""

from django.contrib.auth import get_user_model, hashers
from django.contrib.auth.models import AbstractBaseUser
from django.db import router, transaction

from session_auth.sessions import hash_upgrades


def check_password(user: AbstractBaseUser, password: str) -> bool:
    """Say whether ``password`` is that of ``user``, and bring its hash up to date if it is.

    This does what ``user.check_password()`` does, and calls it if the user model has its own. But
    Django writes the upgraded hash without a look at the row: a login with the old password, while
    that is being changed, would put it back. And the upgraded hash would end all sessions.
    """
    # Not type(user): for request.user, that is the type of a lazy proxy.
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
