"""Stamps of users: when all sessions of a user end, their earlier logins open nothing any more.

Deleting rows is not enough for that: the row of a login that has just checked the password, or of a
session of Django's that was not taken over yet, is not there yet and cannot be deleted. So a stamp
says when all sessions were ended, and a session whose login is older is void.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import connections
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce
from django.utils import timezone

from session_auth.conf import get_conf
from session_auth.models import UserStamp

LONG_AGO = timedelta(days=10_000)
"""The age of a stamp that voids no session of ours, only those of Django's engine."""


def is_void() -> Exists:
    """Return the condition that the login of a session is older than the stamp of its user."""
    proven_at = Coalesce(OuterRef("authenticated_at"), OuterRef("created_at"))
    return Exists(
        UserStamp.objects.filter(user_id=OuterRef("user_id"), ended_before__gte=proven_at)
    )


def stamp(user_ids: Iterable[Any], *, alias: str) -> None:
    """Void all logins of these users until now."""
    with_target = connections[alias].features.supports_update_conflicts_with_target
    now = timezone.now()
    UserStamp.objects.using(alias).bulk_create(
        [UserStamp(user_id=user_id, ended_before=now) for user_id in user_ids],
        update_conflicts=True,
        update_fields=["ended_before"],
        unique_fields=["user"] if with_target else None,
    )


def stamp_for_adoption(user_id: Any, *, alias: str) -> None:
    """Keep the user's sessions of Django's engine from being taken over from now on."""
    if get_conf().ADOPT_FROM is not None:
        long_ago = timezone.now() - LONG_AGO
        UserStamp.objects.using(alias).bulk_create(
            [UserStamp(user_id=user_id, ended_before=long_ago)], ignore_conflicts=True
        )


def is_stamped(user_id: Any, *, alias: str) -> bool:
    """Say whether the user has a stamp: then no session of Django's engine is taken over."""
    return UserStamp.objects.using(alias).filter(user_id=user_id).exists()


def prune(*, at_most: int, alias: str) -> int:
    """Delete some stamps that are older than any session can be; return how many."""
    if get_conf().ADOPT_FROM is not None:
        return 0
    too_old = timezone.now() - get_conf().ABSOLUTE_TIMEOUT
    rows = UserStamp.objects.using(alias)
    ids = list(rows.filter(ended_before__lte=too_old).values_list("pk", flat=True)[:at_most])
    return rows.filter(pk__in=ids).delete()[0] if ids else 0
