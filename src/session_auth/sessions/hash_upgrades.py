"""A new hash of the same password ends no session.

A session holds an HMAC of the hash of its user's password: so it ends when the password changes.
But Django also makes a new hash of the same password, at a login, when ``PASSWORD_HASHERS`` or a
release of Django asks for more work. Then a row says that the new HMAC follows the old one. It is
written only by code that has just seen the password match the old hash, so it never leads from one
password to another. It is read only if a session would end because of its hash.
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
"""How many upgrades, one after the other, lead from the hash in a session to the latest one."""


UPGRADES = Boundary("sessions", alias=lambda: router.db_for_write(HashUpgrade))


@UPGRADES.asks
def note(user: AbstractBaseUser, *, before: str) -> None:
    """Note that ``user.password`` is another hash of the password that matched ``before``."""
    old = copy.copy(user)
    old.password = before
    lifetime = max(
        get_conf().ABSOLUTE_TIMEOUT, timedelta(seconds=cached_settings.SESSION_COOKIE_AGE)
    )
    after, expires_at = link_of(user), timezone.now() + lifetime
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
    """Note the upgrade that another backend may have made while it let ``user`` in.

    ``known`` is the user as they were before. If ``password`` matches the old hash, too, the new
    hash is an upgrade. Otherwise the password was changed meanwhile, and nothing is noted.
    """
    if known is None or known.pk != user.pk or known.password == user.password:
        return
    if hashers.check_password(password, known.password):
        note(user, before=known.password)
    known.password = user.password


def is_upgraded(session_hash: str, user: Any) -> bool:
    """Say whether the hash in a session is that of ``user``, or upgrades lead from it to that.

    It may be the hash of any secret key in use.
    """
    return leads_to(_link(user, session_hash), user)


def link_of(user: AbstractBaseUser) -> str:
    """Return what stands for the hash of ``user`` now: a cookie may have it, for ``leads_to()``."""
    return next(_links(user))


@UPGRADES.asks
def leads_to(link: str, user: AbstractBaseUser) -> bool:
    """Say whether ``link`` is that of the hash of ``user``, or upgrades lead from it to that.

    Asks the database only if it is not.
    """
    rows = HashUpgrade.objects.using(UPGRADES.alias())
    ends = set(_links(user))
    for _ in range(MOST_UPGRADES):
        if link in ends:
            return True
        after = rows.filter(before=link).values_list("after", flat=True).first()
        if after is None:
            return False
        link = after
    return link in ends


@UPGRADES.asks
def forget_old(*, at_most: int) -> int:
    """Delete some rows that are older than any session can be; return how many."""
    rows = HashUpgrade.objects.using(UPGRADES.alias())
    expired = rows.filter(expires_at__lte=timezone.now())
    ids = list(expired.values_list("pk", flat=True)[:at_most])
    return rows.filter(pk__in=ids).delete()[0] if ids else 0


def _links(user: AbstractBaseUser) -> Iterator[str]:
    """Yield a digest of the hash of ``user`` for each secret key in use, the current one first."""
    yield _link(user, user.get_session_auth_hash())
    for session_hash in user.get_session_auth_fallback_hash():
        yield _link(user, session_hash)


def _link(user: AbstractBaseUser, session_hash: str) -> str:
    return digest(f"{user.pk}:{session_hash}")
