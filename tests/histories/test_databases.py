"""Histories of clients on the database engine: as it is, and broken in ways that must be seen."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from django.utils import timezone

from session_auth.engines import database
from session_auth.engines.database import DatabaseRows
from session_auth.models import Session
from session_auth.sessions.values import Record
from session_auth.signals import EndReason
from tests.histories.checker import Fault, Violation, check
from tests.histories.workload import SETTINGS, Site, Workload

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 6
OPERATIONS = 5000 if os.environ.get("FAULTS") else 400
SEED = int(os.environ.get("HISTORY_SEED", "1"))
ROUNDS = 30
BROKEN_OPERATIONS = 60
"""A broken engine is given short histories, and so many at most: what clients meet is chance."""


@pytest.fixture
def violations(settings: Any) -> Callable[..., list[Violation]]:
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    settings.SESSION_ENGINE = "session_auth.engines.database"

    def find(
        often: Mapping[str, int] = MappingProxyType({}),
        *,
        seed: int = SEED,
        operations: int = OPERATIONS,
    ) -> list[Violation]:
        with Site().running() as site:
            workload = Workload(site, seed=seed)
            for step, weight in often.items():
                workload.steps[getattr(workload, step)] = weight
            workload.run(operations=operations, clients=CLIENTS, meanwhile=lambda: None)
            workload.conclude()
        return check(workload.history)

    return find


def test_no_history_breaks_a_promise(violations: Callable[..., list[Violation]]) -> None:
    found = violations()

    assert not found, "\n".join(map(str, found))


def save_without_a_condition(rows: DatabaseRows, record: Record, *, version: int) -> bool:
    time.sleep(0.02)  # as on a slow line, so that a short history is enough
    Session(**record._asdict()).save()
    return True


def end_nothing(
    rows: DatabaseRows, session_ids: Collection[str], reason: EndReason
) -> list[Record]:
    return database._records(Session.objects.filter(id__in=session_ids))


def keep_the_old_key(
    rows: DatabaseRows,
    session_id: str,
    new_id: str,
    *,
    proven: Record | None = None,
    methods: str = "",
) -> bool:
    row = Session.objects.filter(id=session_id, expires_at__gt=timezone.now()).first()
    if row is not None:  # pragma: no branch # by chance, it may have ended
        row.id = new_id
        row.save(force_insert=True)
    return row is not None


def end_the_caller_too(
    rows: DatabaseRows,
    user_id: Any,
    reason: EndReason,
    *,
    only: str | None = None,
    but: str | None = None,
) -> list[Record]:
    those = Session.objects.filter(user=user_id)
    return database._take(those.filter(id=only) if only else those, reason)


BROKEN = {
    "save without a condition": (
        ("compare_and_set", save_without_a_condition),
        {"save": 50, "log_out": 10},
        {Fault.CAME_BACK, Fault.SAVE_WAS_LOST},
    ),
    "end nothing": (
        ("remove_ids", end_nothing),
        {"log_out": 20},
        {Fault.CAME_BACK, Fault.LISTED_AFTER_END},
    ),
    "keep the old key": (("rename", keep_the_old_key), {"prove": 30}, {Fault.CAME_BACK}),
    "end the caller, too": (
        ("remove_of_user", end_the_caller_too),
        {"log_in": 30, "end_others": 10},
        {Fault.WAS_LOST},
    ),
}


@pytest.mark.parametrize(("change", "often", "seen"), BROKEN.values(), ids=BROKEN)
def test_an_engine_that_is_broken_is_seen(
    change: tuple[str, Any],
    often: dict[str, int],
    seen: set[Fault],
    violations: Callable[..., list[Violation]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(DatabaseRows, *change)

    histories = (
        violations(often, seed=SEED + number, operations=BROKEN_OPERATIONS)
        for number in range(ROUNDS)
    )

    assert any(seen & {each.fault for each in found} for found in histories)
