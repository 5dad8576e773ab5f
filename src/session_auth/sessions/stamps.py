"""Stamps of users: when all sessions of a user end, their earlier logins open nothing any more.

Deleting rows is not enough for that: the row of a login that has just checked the password, or of a
session of Django's that was not taken over yet, is not there yet and cannot be deleted. So a stamp
says when all sessions were ended, and a session whose login is older is void.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, router
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


def lock_user(user_id: Any, *, alias: str) -> None:
    """Lock the user, so that transactions that add or end their sessions wait for each other.

    If users are in another database, there is no lock: transactions that meet may then fail.
    """
    users = get_user_model()._base_manager
    can_lock = connections[alias].features.has_select_for_update
    if can_lock and router.db_for_write(users.model) == alias:
        list(users.using(alias).select_for_update().filter(pk=user_id).values_list("pk"))


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
