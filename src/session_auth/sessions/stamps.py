"""Stamps of users: what was proven before all sessions of its user were ended opens nothing.

Whatever a user has proven until then is void, whichever way it comes: a login that is in flight,
or a session of Django's that was not taken over yet. Ending rows cannot do that alone, for a row
that is not there yet cannot be deleted.
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
"""How old a stamp is that voids none of our sessions, only those that are not taken over yet."""


def is_void() -> Exists:
    """Return the condition that the proof of a session is older than the stamp of its user."""
    proven_at = Coalesce(OuterRef("authenticated_at"), OuterRef("created_at"))
    return Exists(
        UserStamp.objects.filter(user_id=OuterRef("user_id"), ended_before__gte=proven_at)
    )


def stamp(user_ids: Iterable[Any], *, alias: str) -> None:
    """Void what these users have proven until now."""
    with_target = connections[alias].features.supports_update_conflicts_with_target
    now = timezone.now()
    UserStamp.objects.using(alias).bulk_create(
        [UserStamp(user_id=user_id, ended_before=now) for user_id in user_ids],
        update_conflicts=True,
        update_fields=["ended_before"],
        unique_fields=["user"] if with_target else None,
    )


def stamp_for_adoption(user_id: Any, *, alias: str) -> None:
    """Let no session of Django's be taken over any more that the user has opened until now."""
    if get_conf().ADOPT_FROM is not None:
        long_ago = timezone.now() - LONG_AGO
        UserStamp.objects.using(alias).bulk_create(
            [UserStamp(user_id=user_id, ended_before=long_ago)], ignore_conflicts=True
        )


def is_stamped(user_id: Any, *, alias: str) -> bool:
    """Say whether sessions of the user were ended: then none of Django's is taken over any more."""
    return UserStamp.objects.using(alias).filter(user_id=user_id).exists()


def prune(*, at_most: int, alias: str) -> int:
    """Delete some stamps that are older than any session can be; return how many."""
    if get_conf().ADOPT_FROM is not None:
        return 0
    too_old = timezone.now() - get_conf().ABSOLUTE_TIMEOUT
    rows = UserStamp.objects.using(alias)
    ids = list(rows.filter(ended_before__lte=too_old).values_list("pk", flat=True)[:at_most])
    return rows.filter(pk__in=ids).delete()[0] if ids else 0
