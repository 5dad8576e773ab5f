"""Nothing tells by its time who has an account, and no mail is lost with its process."""

import random
import socketserver
import statistics
import threading
import time
from collections.abc import Iterator

import pytest

from tests.api_client import AUTH, PASSWORD
from tests.password_calls import NEW
from tests.servers.served import ASGI, Site, Visitor, free_port, running, wait_until

PAIRS = 25
LAG_SECONDS = 0.1
WATCHED_SECONDS = 0.7  # longer than a mail waits, and takes


class SlowMail(socketserver.StreamRequestHandler):
    """A mail server that takes its time."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        is_data = False
        while (line := self.rfile.readline()) and (word := line.strip().upper()) != b"QUIT":
            if is_data and word != b".":
                continue
            time.sleep(LAG_SECONDS * is_data)
            is_data = word == b"DATA"
            self.wfile.write(b"354 go\r\n" if is_data else b"250 ok\r\n")
        self.wfile.write(b"221 bye\r\n")


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def slow_mail() -> Iterator[str]:
    """The port of a mail server that takes a tenth of a second for each mail."""
    with MailServer(("127.0.0.1", 0), SlowMail) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_address[1])
        server.shutdown()


def milliseconds(here: Visitor, method: str, path: str, body: object = None) -> float:
    started_at = time.perf_counter()
    here.call(method, path, body)
    return (time.perf_counter() - started_at) * 1000


def guesses_right(known: list[float], unknown: list[float]) -> float:
    """Return which share of its guesses an attacker gets right who knows the best limit."""
    limit = (statistics.median(known) + statistics.median(unknown)) / 2
    right = sum(ms > limit for ms in known) + sum(ms <= limit for ms in unknown)
    total = len(known) + len(unknown)
    return max(right, total - right) / total


def measure(site: Site, pairs: int = PAIRS) -> dict[str, float]:
    """Return how often a guess would be right by the time of the answer, and by what follows it."""
    here = Visitor(site.port, "attacker")
    here.call("GET", AUTH + "csrf/")
    answers: dict[bool, list[float]] = {True: [], False: []}
    longest: dict[bool, list[float]] = {True: [], False: []}
    counts: dict[bool, list[float]] = {True: [], False: []}
    for number in range(pairs):
        for is_known in random.sample([True, False], 2):
            name = f"user{number}" if is_known else f"nobody{number}"
            body = {"email": f"{name}@example.org"}
            answers[is_known].append(milliseconds(here, "POST", AUTH + "password/reset/", body))
            ends_at = time.perf_counter() + WATCHED_SECONDS
            followers = []
            while time.perf_counter() < ends_at:
                followers.append(milliseconds(here, "GET", "/page/untouched/"))
            longest[is_known].append(max(followers))
            counts[is_known].append(len(followers))
    return {
        "answer": guesses_right(answers[True], answers[False]),
        "longest follower": guesses_right(longest[True], longest[False]),
        "followers": guesses_right(counts[True], counts[False]),
    }


def test_no_time_tells_who_has_an_account(site: Site, slow_mail: str) -> None:
    """A51: one worker that does one thing at a time, and an attacker who keeps it busy."""
    site.variables["SITE_SMTP_PORT"] = slow_mail
    with running(site, "gunicorn"):
        right = measure(site)

        assert wait_until(lambda: pending(site) == [])

    # By chance it is half of them; three in four would be so once in some thousand runs.
    assert {name for name, share in right.items() if share > 0.76} == set(), right


# A process is killed


def pending(site: Site) -> list[str]:
    return [kind for (kind,) in site.sql("SELECT kind FROM session_auth_pendingmail")]


@pytest.fixture
def killed(site: Site) -> Site:
    """A site whose process was killed before it could send a mail about a new password."""
    site.variables["SITE_SMTP_PORT"] = str(free_port())  # where nobody listens
    with running(site, "gunicorn"):
        here = Visitor(site.port, "user1")
        assert here.log_in() == 200
        body = {"old_password": PASSWORD, "new_password": NEW}
        assert here.call("POST", AUTH + "password/change/", body) == 200
        site.kill()
    assert pending(site) == ["password_changed"]
    del site.variables["SITE_SMTP_PORT"]
    return site


@pytest.mark.parametrize("command", ["prune_sessions", "send_mails"])
def test_a_command_sends_what_a_killed_process_has_left(killed: Site, command: str) -> None:
    killed.manage(command)

    assert len(killed.mails("user1@example.org")) == 1
    assert pending(killed) == []


@pytest.mark.parametrize("kind", ["gunicorn", *ASGI])
def test_the_next_process_sends_what_a_killed_one_has_left(killed: Site, kind: str) -> None:
    with running(killed, kind):
        Visitor(killed.port, "anybody").call("GET", "/page/untouched/")

        assert wait_until(lambda: len(killed.mails("user1@example.org")) == 1)
        assert wait_until(lambda: pending(killed) == [])
