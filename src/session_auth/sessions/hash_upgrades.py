"""New hashes of old passwords, by which no session ends.

A session holds an HMAC of the hash of its user's password, and ends with the password. But Django
makes the hash anew, at a login, when ``PASSWORD_HASHERS`` or its own releases ask for more work:
then a row says that the one HMAC follows the other. It is written by nobody but who has just seen
the password match the old hash, so a change of the password leads nowhere; and it is read only
where a session would end for its hash.
"""

import copy
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.auth import hashers
from django.contrib.auth.models import AbstractBaseUser
from django.db import connections, router
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from session_auth.conf import cached_settings, get_conf
from session_auth.keys import digest
from session_auth.models import HashUpgrade
from session_auth.stores import Boundary

MOST_UPGRADES = 10
"""So many, one after the other, are followed."""


UPGRADES = Boundary("sessions", alias=lambda: router.db_for_write(HashUpgrade))


@UPGRADES.asks
def note(user: AbstractBaseUser, *, before: str) -> None:
    """Note that ``user.password`` is another hash of the password that matched ``before``."""
    old = copy.copy(user)
    old.password = before
    lifetime = max(
        get_conf().ABSOLUTE_TIMEOUT, timedelta(seconds=cached_settings.SESSION_COOKIE_AGE)
    )
    after, expires_at = next(_links(user)), timezone.now() + lifetime
    alias = UPGRADES.alias()
    has_target = connections[alias].features.supports_update_conflicts_with_target
    HashUpgrade.objects.using(alias).bulk_create(
        [HashUpgrade(before=link, after=after, expires_at=expires_at) for link in _links(old)],
        update_conflicts=True,
        update_fields=["after", "expires_at"],
        unique_fields=["before"] if has_target else None,
    )


@sensitive_variables("password")
def follow(known: AbstractBaseUser | None, user: AbstractBaseUser, *, password: str) -> None:
    """Note an upgrade that others' code has made, who let ``user`` in with ``password``, if any.

    ``known`` is the user as they were before. It was an upgrade if the password matches the hash of
    then, too; else it was changed meanwhile.
    """
    if known is None or known.pk != user.pk or known.password == user.password:
        return
    if hashers.check_password(password, known.password):
        note(user, before=known.password)
    known.password = user.password


@UPGRADES.asks
def is_upgraded(session_hash: str, user: Any) -> bool:
    """Say whether upgrades lead from the hash in a session to that of ``user``."""
    rows = HashUpgrade.objects.using(UPGRADES.alias())
    link, ends = _link(user, session_hash), set(_links(user))
    for _ in range(MOST_UPGRADES):
        after = rows.filter(before=link).values_list("after", flat=True).first()
        if after is None or after in ends:
            return after is not None
        link = after
    return False


@UPGRADES.asks
def forget_old(*, at_most: int) -> int:
    """Delete some rows that no session is old enough to need; return how many."""
    rows = HashUpgrade.objects.using(UPGRADES.alias())
    expired = rows.filter(expires_at__lte=timezone.now())
    ids = list(expired.values_list("pk", flat=True)[:at_most])
    return rows.filter(pk__in=ids).delete()[0] if ids else 0


def _links(user: AbstractBaseUser) -> Iterator[str]:
    """Yield what stands for the hash of ``user`` under each secret key in use, the first first."""
    yield _link(user, user.get_session_auth_hash())
    for session_hash in user.get_session_auth_fallback_hash():
        yield _link(user, session_hash)


def _link(user: AbstractBaseUser, session_hash: str) -> str:
    return digest(f"{user.pk}:{session_hash}")
