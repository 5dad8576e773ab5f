"""WebSockets and event streams end with their session, on real servers."""

import http.client
from contextlib import closing

import pytest

from tests.api_client import AUTH
from tests.servers.served import ASGI, PATIENCE_SECONDS, Site, Visitor, running

SERVERS = [(kind, False) for kind in ASGI] + [("uvicorn", True)]
ENDED = dict.fromkeys(ASGI, (4401, "session_ended")) | {"daphne": (4401, "")}
"""How a WebSocket is closed: daphne sends no reason."""


@pytest.mark.parametrize(("kind", "behind_nginx"), SERVERS)
def test_what_is_open_ends_with_its_session(site: Site, kind: str, behind_nginx: bool) -> None:
    site.variables["SITE_LOOK_SECONDS"] = "1000"  # or a look might find what must come at once
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

        site.manage("end_sessions", "--user", "user1")
        assert waiting.next() == ENDED["uvicorn"]
        waiting.close()
