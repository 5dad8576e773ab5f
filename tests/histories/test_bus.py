"""Sockets close when their session ends, whatever happens to the servers that tell of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from with_redis import Servers, find_program, running_servers

from session_auth.engines.redis import notices
from session_auth.sessions import bus, watching
from tests.api_client import id_of, signed_in
from tests.histories.redis_faults import (
    TO_DISK,
    primary_killed,
    primary_stopped,
    sentinels_told_to_fail_over,
    slots_migrated,
)
from tests.histories.test_redis import ALL, setting_for
from tests.live import CLOSED, Elsewhere, Server, heard, opened

pytestmark = pytest.mark.django_db(transaction=True)


def killed_and_started(servers: Servers) -> None:
    [node] = servers.data
    node.kill()
    time.sleep(1)
    node.start()


FAULTS = {
    "server, killed and started": killed_and_started,
    "cluster, primary killed": primary_killed,
    "cluster, primary stopped": primary_stopped,
    "cluster, slots migrated": slots_migrated,
    "sentinel, primary killed": primary_killed,
    "sentinel, primary stopped": primary_stopped,
    "sentinel, told to fail over": sentinels_told_to_fail_over,
}
QUICK = ("server, killed and started", "cluster, primary killed")

AGAIN = """
import time
from session_auth.exceptions import StoreUnavailable
def until_done(act):
    for _ in range(150):
        try:
            return act()
        except StoreUnavailable:
            time.sleep(0.2)
    raise TimeoutError
"""


@contextmanager
def sessions_in(servers: Servers, elsewhere: Elsewhere) -> Iterator[None]:
    """Let this process and the other one have their sessions in these servers."""
    setting = setting_for(servers)
    elsewhere.does(f"exec({AGAIN!r})")
    elsewhere.does(
        "from django.test import override_settings;"
        f"other = override_settings(SESSION_AUTH_REDIS={setting!r}); other.enable()"
    )
    try:
        with override_settings(SESSION_AUTH_REDIS=setting):
            yield
            bus.stop()
    finally:
        elsewhere.does("other.disable()")


@pytest.mark.parametrize("fault", FAULTS if ALL else QUICK)
def test_sockets_close_whatever_happens_to_the_servers(
    server: Server,
    elsewhere: Elsewhere,
    alice: User,
    tmp_path: Path,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 1.0)
    monkeypatch.setattr(watching, "LOOK_SECONDS_WITH_BUS", 4.0)
    monkeypatch.setattr(notices, "TICK_SECONDS", 0.1)
    program = find_program()
    assert program is not None
    kind = fault.partition(",")[0]
    with (
        running_servers(kind, tmp_path, program, TO_DISK) as servers,
        sessions_in(servers, elsewhere),
    ):
        browsers = [signed_in() for _ in range(6)]
        sockets = [opened(server, browser.session_key()) for browser in browsers]
        assert heard()
        happening = Timer(0, FAULTS[fault], [servers])
        happening.start()
        for browser, socket in zip(browsers[:-1], sockets[:-1], strict=True):
            end = f"end_by_ids(['{id_of(browser)}'], reason=EndReason.LOGOUT)"
            elsewhere.does(f"until_done(lambda: {end})")
            assert socket.next() == CLOSED
            time.sleep(0.7)

        happening.join()
        assert heard()
        # From here on, the bus alone can tell: one last look, and no other for long.
        monkeypatch.setattr(watching, "LOOK_SECONDS", 60.0)
        monkeypatch.setattr(watching, "LOOK_SECONDS_WITH_BUS", 60.0)
        bus.spread(None)
        assert sockets[-1].is_quiet(0.5)
        elsewhere.does(f"end_by_ids(['{id_of(browsers[-1])}'], reason=EndReason.LOGOUT)")
        assert sockets[-1].next() == CLOSED
