"""The client hangs up before the view, or after it: what was begun has all its consequences.

Some of the servers by default; with ``ALL_HANG_UPS=1``, each of them also behind nginx.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from session_auth.keys import digest
from tests.api_client import AUTH, PASSWORD
from tests.password_calls import NEW
from tests.servers.served import ASGI, Site, Visitor, running, wait_until

BEHIND_NGINX = ["gthread", *ASGI] if os.environ.get("ALL_HANG_UPS") == "1" else ["uvicorn"]
SERVERS = [(kind, False) for kind in ("gthread", *ASGI)] + [(kind, True) for kind in BEHIND_NGINX]

FREE_GUESSES = 5

Action = Iterator[Any]
"""Yields the request whose client hangs up, then what returns what has become of it."""


def password_change(here: Visitor, site: Site) -> Action:
    other = Visitor(here.port, here.name)
    assert (here.log_in(), other.log_in()) == (200, 200)
    before = password_of(here, site)
    yield "POST", AUTH + "password/change/", {"old_password": PASSWORD, "new_password": NEW}
    yield lambda: {
        "changed": password_of(here, site) != before,
        "mails": len(site.mails(address(here))),
        "event": f"password_changed method=POST path={AUTH}password/change/" in told(here, site),
        "other ended": signalled(other, site, "password_changed"),
    }


def password_reset(here: Visitor, site: Site) -> Action:
    here.call("GET", AUTH + "csrf/")
    yield "POST", AUTH + "password/reset/", {"email": address(here)}
    yield lambda: {"mails": len(site.mails(address(here))), "left": left(site)}


def password_reset_confirm(here: Visitor, site: Site) -> Action:
    other = Visitor(here.port, here.name)
    assert other.log_in() == 200
    here.call("GET", AUTH + "csrf/")
    assert here.call("POST", AUTH + "password/reset/", {"email": address(here)}) == 202
    assert wait_until(lambda: bool(site.mails(address(here))))
    [text] = site.mails(address(here))
    uid, token = re.findall(r"#/([\w-]+)/([\w-]+)", text)[0]
    before = password_of(here, site)
    body = {"uid": uid, "token": token, "new_password": NEW}
    yield "POST", AUTH + "password/reset/confirm/", body
    yield lambda: {
        "changed": password_of(here, site) != before,
        "mails": len(site.mails(address(here))),
        "event": "password_reset method=POST" in told(here, site),
        "other ended": signalled(other, site, "password_changed"),
    }


def login(here: Visitor, site: Site) -> Action:
    here.call("GET", AUTH + "csrf/")
    yield "POST", AUTH + "login/", {"username": here.name, "password": PASSWORD}
    yield lambda: {
        "sessions": len(sessions_of(here, site)),
        "event": "login method=POST" in told(here, site),
    }


def wrong_login(here: Visitor, site: Site) -> Action:
    here.call("GET", AUTH + "csrf/")
    assert [here.log_in("wrong") for _ in range(4)] == [401] * 4
    yield "POST", AUTH + "login/", {"username": here.name, "password": "wrong"}
    yield lambda: {"then": here.log_in()}


def reauthenticate(here: Visitor, site: Site) -> Action:
    assert here.log_in() == 200
    before = sessions_of(here, site)
    yield "POST", AUTH + "reauthenticate/", {"password": PASSWORD}
    yield lambda: {
        "new key": sessions_of(here, site) not in (before, []),
        "event": "reauthenticated method=POST" in told(here, site),
    }


def logout(here: Visitor, site: Site) -> Action:
    assert here.log_in() == 200
    yield "POST", AUTH + "logout/", None
    yield lambda: {
        "sessions": len(sessions_of(here, site)),
        "signal": signalled(here, site, "logout"),
    }


def end_others(here: Visitor, site: Site) -> Action:
    other = Visitor(here.port, here.name)
    assert (here.log_in(), other.log_in()) == (200, 200)
    yield "DELETE", AUTH + "sessions/", None
    yield lambda: {
        "sessions": len(sessions_of(here, site)),
        "signal": signalled(other, site, "ended_by_user"),
    }


def end_one(here: Visitor, site: Site) -> Action:
    other = Visitor(here.port, here.name)
    assert (here.log_in(), other.log_in()) == (200, 200)
    yield "DELETE", f"{AUTH}sessions/{id_of(other)}/", None
    yield lambda: {
        "sessions": len(sessions_of(here, site)),
        "signal": signalled(other, site, "ended_by_user"),
    }


def guess_and_fail(here: Visitor, site: Site) -> Action:
    """A view under ATOMIC_REQUESTS, which rolls the count back."""
    here.call("GET", AUTH + "csrf/")
    assert [here.log_in("wrong") for _ in range(4)] == [401] * 4
    yield "POST", f"/api/guess-and-fail/?name={here.name}&password=wrong", None
    yield lambda: {"then": here.log_in()}


def guess_and_fail_by_get(here: Visitor, site: Site) -> Action:
    here.call("GET", AUTH + "csrf/")
    assert [here.log_in("wrong") for _ in range(4)] == [401] * 4
    yield "GET", f"/api/guess-and-fail/?name={here.name}&password=wrong", None
    yield lambda: {"then": here.log_in()}


def logout_and_fail(here: Visitor, site: Site) -> Action:
    """A view under ATOMIC_REQUESTS, which rolls the end back."""
    assert here.log_in() == 200
    yield "POST", "/api/logout-and-fail/", None
    yield lambda: {
        "sessions": len(sessions_of(here, site)),
        "signal": signalled(here, site, "logout"),
    }


def logout_and_fail_by_get(here: Visitor, site: Site) -> Action:
    assert here.log_in() == 200
    yield "GET", "/api/logout-and-fail/", None
    yield lambda: {
        "sessions": len(sessions_of(here, site)),
        "signal": signalled(here, site, "logout"),
    }


def note(here: Visitor, site: Site) -> Action:
    """A view that writes into the session."""
    assert here.log_in() == 200
    yield "POST", "/api/note/?a=1", None
    yield lambda: {"saved": [json.loads(data).get("a") for data in data_of(here, site)]}


DONE: dict[str, object] = {"changed": True, "mails": 1, "event": True, "other ended": True}
EXPECTED: dict[Callable[[Visitor, Site], Action], dict[str, object]] = {
    password_change: DONE,
    password_reset: {"mails": 1, "left": 0},
    password_reset_confirm: DONE | {"mails": 2},  # with the link
    login: {"sessions": 1, "event": True},
    wrong_login: {"then": 429},
    reauthenticate: {"new key": True, "event": True},
    logout: {"sessions": 0, "signal": True},
    end_others: {"sessions": 1, "signal": True},
    end_one: {"sessions": 1, "signal": True},
    guess_and_fail: {"then": 429},
    guess_and_fail_by_get: {"then": 429},
    logout_and_fail: {"sessions": 0, "signal": True},
    logout_and_fail_by_get: {"sessions": 0, "signal": True},
    note: {"saved": ["1"]},
}
CANCELLED = {guess_and_fail_by_get, logout_and_fail_by_get}
"""What Django lets go before the view has begun: nothing has happened then."""


def address(here: Visitor) -> str:
    return f"{here.name}@example.org"


def id_of(here: Visitor) -> str:
    return digest(here.cookies["sessionid"])


def user_id(here: Visitor, site: Site) -> int:
    [(found,)] = site.sql("SELECT id FROM auth_user WHERE username = ?", here.name)
    return int(found)


def password_of(here: Visitor, site: Site) -> str:
    [(found,)] = site.sql("SELECT password FROM auth_user WHERE username = ?", here.name)
    return str(found)


def sessions_of(here: Visitor, site: Site) -> list[tuple[Any, ...]]:
    query = "SELECT id FROM session_auth_session WHERE user_id = ?"
    return site.sql(query, user_id(here, site))


def data_of(here: Visitor, site: Site) -> list[str]:
    query = "SELECT data FROM session_auth_session WHERE user_id = ?"
    return [data for (data,) in site.sql(query, user_id(here, site))]


def left(site: Site) -> int:
    return len(site.sql("SELECT 1 FROM session_auth_pendingmail"))


def told(here: Visitor, site: Site) -> str:
    end = re.compile(rf"user_id={user_id(here, site)}\b")
    return "\n".join(line for line in site.log() if end.search(line))


def signalled(here: Visitor, site: Site, reason: str) -> bool:
    return any(line.endswith(f"signal {reason} {id_of(here)}") for line in site.log())


def run(action: Callable[[Visitor, Site], Action], here: Visitor, site: Site, pause: str) -> Any:
    """Hang up in the pause, and return what has become of it once that is all that is expected."""
    steps = action(here, site)
    method, path, body = next(steps)
    mark = {"X-Pause-Before": "began", "X-Pause-After": "answered"}[pause]
    here.name, name = f"{here.name}-gone", here.name
    line = f"site INFO {mark} {here.name}"
    here.hang_up(method, path, body, pause=pause, when=lambda: line in site.log())
    here.name = name
    seen: list[Any] = []
    outcome = next(steps)

    def is_as_expected() -> bool:
        seen.append(outcome())
        time.sleep(0.1)
        return bool(seen[-1] == EXPECTED[action])

    # What costs a guess is looked at once, when all else has settled: the fifth wrong guess is
    # logged, and then counted anew where the view has rolled it back.
    if "then" in EXPECTED[action]:
        wait_until(lambda: told(here, site).count("login_failed") >= FREE_GUESSES)
        time.sleep(2)
        return outcome()
    wait_until(is_as_expected)
    return seen[-1]


@pytest.fixture(
    scope="module",
    params=[(*server, pause) for server in SERVERS for pause in ("Before", "After")],
    ids=lambda param: f"{param[0]}{'-nginx' * param[1]}-{param[2].lower()}",
)
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, database: Path
) -> dict[str, Any]:
    """What has become of each request on one server, all of them at once."""
    kind, behind_nginx, where = request.param
    site = Site(tmp_path_factory.mktemp("site"))
    shutil.copy(database, site.folder)
    actions = [each for each in EXPECTED if where == "After" or each not in CANCELLED]
    with running(site, kind, behind_nginx=behind_nginx), ThreadPoolExecutor(6) as pool:
        visitors = [Visitor(site.port, f"user{n}") for n in range(len(actions))]
        futures = {
            action.__name__: pool.submit(run, action, here, site, f"X-Pause-{where}")
            for action, here in zip(actions, visitors, strict=True)
        }
        return {name: future.result() for name, future in futures.items()}


def test_what_was_begun_has_all_its_consequences(outcomes: dict[str, Any]) -> None:
    expected = {action.__name__: outcome for action, outcome in EXPECTED.items()}

    assert outcomes == {name: expected[name] for name in outcomes}
