"""Histories of clients while something happens to the servers of their sessions."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from with_redis import Servers, find_program, running_servers, wait_until

from session_auth.models import Tombstone, UserStamp
from tests.histories.checker import Fault, check
from tests.histories.history import History, Loss, Outcome
from tests.histories.redis_faults import FAULTS, disk_for, yesterday_restored
from tests.histories.workload import SETTINGS, Site, Workload

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 6
OPERATIONS = 300
ENOUGH = 50
SEED = int(os.environ.get("HISTORY_SEED", "1"))
ROUNDS = 5
"""How many histories a broken engine is given at most: what clients meet is chance."""
ALL = bool(os.environ.get("FAULTS"))


def setting_for(servers: Servers) -> dict[str, Any]:
    nodes = [node.address for node in servers.sentinels or servers.data]
    settings: dict[str, dict[str, Any]] = {
        "server": {"url": f"redis://{nodes[0]}"},
        "cluster": {"cluster": nodes},
        "sentinel": {"sentinels": nodes, "service": "sessions"},
    }
    return settings[servers.kind]


@pytest.fixture
def record(settings: Any, tmp_path: Path) -> Callable[[str], History]:
    for key, value in SETTINGS.items():
        setattr(settings, key, value)
    program = find_program()
    assert program is not None

    def run(
        name: str,
        happens: Callable[[Servers], Loss | None] | None = None,
        without: Sequence[str] = (),
        seed: int = SEED,
    ) -> History:
        fault, folder = FAULTS[name], tmp_path / str(seed)
        folder.mkdir()
        with (
            disk_for(fault, folder),
            running_servers(fault.kind, folder, program, fault.options) as servers,
            Site().running() as site,
        ):
            settings.SESSION_AUTH_REDIS = setting_for(servers) | fault.setting
            settings.SESSION_ENGINE = "session_auth.engines.redis"
            workload = Workload(site, seed=seed)
            for step in without:
                del workload.steps[getattr(workload, step)]

            def meanwhile() -> None:
                loss = (happens or fault.happens)(servers)
                workload.history.losses.extend([loss] if loss else [])
                workload.look_at_all()

            workload.run(operations=OPERATIONS, clients=CLIENTS, meanwhile=meanwhile)
            wait_until(lambda _: workload.is_served(), servers.data[0])
            workload.conclude()
        return workload.history

    return run


@pytest.mark.parametrize("name", [name for name, each in FAULTS.items() if ALL or each.is_quick])
def test_no_history_breaks_a_promise(name: str, record: Callable[[str], History]) -> None:
    history = record(name)

    outcomes = Counter(each.outcome.name for each in history.operations)
    longest = max(each.end - each.start for each in history.operations)
    sys.stdout.write(f"\n{name}: {dict(outcomes)}, the longest {longest:.1f} s\n")
    violations = check(history)
    assert not violations, "\n".join(map(str, violations))
    assert outcomes[Outcome.DONE.name] > ENOUGH


def test_without_the_ends_in_sql_it_is_seen_that_sessions_come_back(
    record: Callable[..., History],
) -> None:
    def forget() -> None:
        Tombstone.objects.all().delete()
        UserStamp.objects.all().delete()

    happens = partial(yesterday_restored, meanwhile=forget)

    def is_seen(seed: int) -> bool:
        # A new password voids what was opened with the old one, with a stamp or without.
        without = ["change_password", "end_all"]
        history = record("server, yesterday restored", happens, without, seed)
        return Fault.CAME_BACK in {each.fault for each in check(history)}

    assert any(is_seen(SEED + number) for number in range(ROUNDS))
