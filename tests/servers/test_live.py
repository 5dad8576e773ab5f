"""WebSockets and event streams end with their session, on real servers."""

import http.client
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.api_client import AUTH
from tests.servers.served import ASGI, PATIENCE_SECONDS, Site, Visitor, running

SERVERS = [(kind, False) for kind in ASGI] + [("uvicorn", True)]
ENDED = dict.fromkeys(ASGI, (4401, "session_ended")) | {"daphne": (4401, "")}
"""How a WebSocket is closed: daphne sends no reason."""

SOON_SECONDS = 2.0  # on a busy machine
LOOK_SECONDS = 10.0


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began_at = time.monotonic()
    yield
    assert time.monotonic() - began_at < seconds


@pytest.mark.parametrize(("kind", "behind_nginx"), SERVERS)
def test_what_is_open_ends_with_its_session(site: Site, kind: str, behind_nginx: bool) -> None:
    with running(site, kind, behind_nginx=behind_nginx):
        here, there = Visitor(site.port, "user1"), Visitor(site.port, "user2")
        assert (here.log_in(), there.log_in()) == (200, 200)
        waiting, talking, other = here.socket(), here.socket(), there.socket()
        assert [each.next() for each in (waiting, talking, other)] == ["user1", "user1", "user2"]
        talking.say("hello")
        assert talking.next() == "hello"
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE_SECONDS)
        connection.request("GET", "/api/stream/", headers=here.headers())
        with closing(connection), connection.getresponse() as stream:
            assert (stream.status, stream.readline()) == (200, b"data: tick\n")

            with within(SOON_SECONDS):
                assert here.call("POST", AUTH + "logout/") == 200
                assert waiting.next() == talking.next() == ENDED[kind]
                assert b"event: session_ended\n" in stream.read()

        other.say("still here")
        assert other.next() == "still here"
        for each in (waiting, talking, other):
            each.close()


def test_an_end_in_another_process_is_found_without_a_bus(site: Site) -> None:
    with running(site, "uvicorn"):
        here = Visitor(site.port, "user1")
        here.log_in()
        waiting = here.socket()
        assert waiting.next() == "user1"

        with within(LOOK_SECONDS):
            site.manage("end_sessions", "--user", "user1")
            assert waiting.next() == ENDED["uvicorn"]
        waiting.close()
