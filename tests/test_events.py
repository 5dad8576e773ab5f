"""Each event at the door is told once, in one line, with the fields that the docs name."""

import logging
import re
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.admin.utils import quote as admin_quote
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, override_settings

from session_auth.events import LEVELS, Event
from session_auth.sessions import prune_sessions
from session_auth.sessions.ending import REQUEST
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.guessing import caller

pytestmark = pytest.mark.django_db
MODEL_BACKEND = "session_auth.backends.ModelBackend"
NEW = "quite another horse"
DOCS = (Path(__file__).resolve().parents[1] / "docs" / "logging.md").read_text()
FIELDS = {
    cells[0].strip("` "): set(re.findall(r"`(\w+)`", cells[2]))
    for line in DOCS.splitlines()
    if len(cells := line.strip("|").split("|")) == 4
}

CSRF_LOG = "django.security.csrf"
STANDARD = {*vars(logging.makeLogRecord({})), "request", "exc_info"}
"""What each record has, and what is no text of ours."""


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Any:
    """Return the events since the last call, as they stand in the log's records."""

    def since() -> list[dict[str, Any]]:
        records = [vars(each) for each in caplog.records if each.name == "session_auth.security"]
        names = FIELDS.keys()
        caplog.clear()
        assert {record["event"] for record in records} <= names
        return [
            {name: record[name] for name in ("event", *FIELDS[record["event"]])}
            for record in records
        ]

    return since


def at_door(event: str, endpoint: str, method: str = "POST", **more: object) -> dict[str, Any]:
    """Return what is told of a request for ``endpoint``."""
    request = {"method": method, "path": AUTH + endpoint, "ip": "127.0.0.1"}
    return {"event": event} | request | more


def test_a_login_is_told(alice: User, told: Any) -> None:
    here = signed_in()

    how = {"proof": "password", "backend": MODEL_BACKEND}
    assert told() == [at_door("login", "login/", user_id=alice.pk, session_id=id_of(here), **how)]


def test_a_login_by_the_admin_is_told(alice: User, told: Any) -> None:
    User.objects.update(is_staff=True)

    Client().post("/admin/login/", {"username": "alice", "password": PASSWORD})
    Client().post("/admin/login/", {"username": "alice", "password": "wrong"})

    login, failed = told()
    assert (login["event"], failed["event"]) == ("login", "login_failed")
    assert (login["proof"], login["backend"]) == (None, MODEL_BACKEND)


@pytest.mark.parametrize("username", ["alice", "nobody"])
def test_a_failed_login_is_told_without_the_name(alice: User, told: Any, username: str) -> None:
    ApiClient().log_in(username, "wrong")

    user_id = alice.pk if username == "alice" else None
    assert told() == [at_door("login_failed", "login/", user_id=user_id)]


def test_a_failed_login_without_a_request_is_told(alice: User, caplog: Any) -> None:
    authenticate(username="alice", password="wrong")

    assert caplog.messages == [f"login_failed user_id={alice.pk}"]


def test_a_login_without_a_session_is_told(alice: User, rf: Any, told: Any) -> None:
    from django.contrib.auth import user_logged_in

    user_logged_in.send(sender=User, request=rf.post(AUTH + "login/"), user=alice)

    how: dict[str, Any] = {"proof": None, "backend": None}
    assert told() == [at_door("login", "login/", user_id=alice.pk, session_id=None, **how)]


def test_a_throttled_guess_is_told(alice: User, told: Any) -> None:
    for _ in range(5):
        caller().log_in(password="wrong")
    told()

    caller().log_in(password="wrong")

    assert [(event["event"], event["user_id"]) for event in told()] == [("throttled", alice.pk)]


def test_a_proof_of_the_password_is_told(alice: User, told: Any) -> None:
    here = signed_in()
    told()

    here.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})
    here.call("POST", AUTH + "reauthenticate/", {"password": "wrong"})

    assert told() == [
        at_door("reauthenticated", "reauthenticate/", user_id=alice.pk, proof="password"),
        at_door("login_failed", "reauthenticate/", user_id=alice.pk),
    ]


def test_a_change_of_the_password_is_told(alice: User, told: Any) -> None:
    here = signed_in()
    told()
    path = "password/change/"

    here.call("POST", AUTH + path, {"old_password": "wrong", "new_password": NEW})
    here.call("POST", AUTH + path, {"old_password": PASSWORD, "new_password": NEW})

    assert told() == [
        at_door("password_change_failed", path, user_id=alice.pk),
        at_door("password_changed", path, user_id=alice.pk, by=alice.pk),
    ]


@override_settings(SESSION_AUTH_PASSWORD_RESET_URL="https://example.org/#{uid}/{token}")
def test_a_reset_of_the_password_is_told(alice: User, told: Any, mailoutbox: list[Any]) -> None:
    browser = ApiClient()

    browser.call("POST", AUTH + "password/reset/", {"email": alice.email})
    [(uid, token)] = re.findall(r"#(\S+)/(\S+)", mailoutbox[0].body)
    body = {"uid": uid, "token": token, "new_password": NEW}
    browser.call("POST", AUTH + "password/reset/confirm/", body)

    assert told() == [
        at_door("password_reset_requested", "password/reset/"),
        at_door("password_reset", "password/reset/confirm/", user_id=alice.pk),
    ]


def test_an_end_is_told(alice: User, told: Any) -> None:
    here = signed_in()
    session_id = id_of(here)
    told()

    here.log_out()

    ids: dict[str, Any] = {"session_id": session_id, "user_id": alice.pk, "by": alice.pk}
    assert told() == [at_door("session_ended", "logout/", reason="logout", **ids)]


def test_an_end_by_staff_tells_who_did_it(alice: User, told: Any) -> None:
    ended = id_of(signed_in())
    staff, root = Client(REMOTE_ADDR="9.9.9.9"), User.objects.create_superuser("root")
    staff.force_login(root)
    told()

    staff.post(f"/admin/session_auth/session/{admin_quote(ended)}/delete/", {"post": "yes"})

    [event] = told()
    assert (event["reason"], event["ip"]) == ("ended_by_admin", "9.9.9.9")
    assert (event["user_id"], event["by"]) == (alice.pk, root.pk)


def test_a_timeout_is_nobodys_doing(alice: User, told: Any, clock: Any) -> None:
    here = signed_in()
    clock.shift(timedelta(days=31))
    told()

    here.get("/page/note/")

    [event] = told()
    assert (event["reason"], event["path"], event["by"]) == ("absolute", "/page/note/", None)


def test_whoever_prunes_has_not_ended_what_had_timed_out(
    alice: User, bob: User, rf: Any, told: Any, clock: Any
) -> None:
    signed_in()
    clock.shift(timedelta(days=31))
    told()
    request = rf.post("/prune/")
    request.user = bob

    token = REQUEST.set(request)
    prune_sessions()
    REQUEST.reset(token)

    assert [(event["reason"], event["by"]) for event in told()] == [("absolute", None)]


def test_an_end_outside_a_request_has_no_address(alice: User, caplog: Any) -> None:
    session_id = id_of(signed_in())
    caplog.clear()

    call_command("end_sessions", "--user=alice", stdout=StringIO())

    ids = f"session_id={session_id} user_id={alice.pk} by=None"
    assert caplog.messages == [f"session_ended reason=ended_by_admin {ids}"]


@pytest.mark.parametrize("path", [AUTH + "logout/", "/api/note/", "/page/note/"])
def test_a_cross_site_request_is_told(alice: User, told: Any, path: str) -> None:
    here = signed_in()
    told()

    here.call("POST", path, headers={"Origin": "https://evil.example"})

    [event] = told()
    assert event["event"] == "csrf_failed"
    assert event["path"] == path
    assert "https://evil.example" in event["reason"]


@pytest.mark.parametrize(
    ("method", "endpoint", "body", "status", "code"),
    [
        ("POST", "login/", b"{", 400, "malformed_json"),
        ("POST", "login/", b"x" * 20_000, 413, "payload_too_large"),
        ("POST", "login/", {"is_staff": True}, 400, "invalid_request"),
        ("PUT", "login/", {}, 405, "method_not_allowed"),
        ("GET", "sessions/", None, 401, "not_authenticated"),
        ("DELETE", "sessions/", None, 401, "not_authenticated"),
    ],
)
def test_a_refusal_is_told(
    alice: User, told: Any, method: str, endpoint: str, body: object, status: int, code: str
) -> None:
    ApiClient().call(method, AUTH + endpoint, body)

    whose: dict[str, Any] = {"user_id": None, "status": status, "code": code}
    assert told() == [at_door("refused", endpoint, method, **whose)]


def test_an_attempt_at_somebody_elses_session_is_told(alice: User, bob: User, told: Any) -> None:
    """A8"""
    here, other = signed_in(), signed_in("bob")
    told()

    here.call("DELETE", f"{AUTH}sessions/{id_of(other)}/")

    endpoint = f"sessions/{id_of(other)}/"
    whose: dict[str, Any] = {"user_id": alice.pk, "status": 404, "code": "not_found"}
    assert told() == [at_door("refused", endpoint, "DELETE", **whose)]


def test_a_cookie_that_stands_twice_is_told(told: Any) -> None:
    Client().get(AUTH + "user/", HTTP_COOKIE="sessionid=a; sessionid=b")

    assert told() == [at_door("ambiguous_cookie", "user/", "GET")]


@pytest.mark.parametrize(
    ("path", "store"), [(AUTH + "login/", "users"), ("/api/private/", "sessions")]
)
def test_an_outage_is_told(outage: None, caplog: Any, path: str, store: str) -> None:
    here = ApiClient()
    here.cookies["sessionid"] = "x" * 43 if store == "sessions" else ""
    here.cookies["csrftoken"] = "t" * 32

    here.call("POST", path, {"username": "alice", "password": "wrong"})

    records = [each for each in caplog.records if each.name == "session_auth.security"]
    assert {each.levelno for each in records} == {logging.ERROR}
    assert {vars(each)["store"] for each in records} == {store}
    assert all(each.exc_info for each in records)


@pytest.mark.parametrize("place", ["path", "Origin", "Referer", "User-Agent", "X-Forwarded-For"])
@pytest.mark.parametrize("path", [f"{AUTH}sessions/x/", "/page/note/"])
@pytest.mark.parametrize(
    "hostile",
    [
        "x\r\nlogin user_id=1 ip=10.0.0.1",
        "x\x0blogin user_id=1 \x85login user_id=1",
        "\x1b[31m\u2028login user_id=1",
        "x user_id=1",
        "x" * 5_000,
    ],
    ids=["lines", "other lines", "control", "fields", "length"],
)
def test_every_record_is_one_line_whatever_was_sent(
    hostile: str, path: str, place: str, caplog: Any
) -> None:
    """A47: of each logger, and whether a formatter prints the message or the attributes."""
    if place == "path":
        path, headers = f"{AUTH}sessions/{quote(hostile)}/", {}
    else:
        headers = {place: f"https://evil.example/{hostile}"}

    Client(enforce_csrf_checks=True).delete(
        path, headers={"Origin": "https://evil.example"} | headers
    )

    ours = [each for each in caplog.records if each.name in {"session_auth.security", CSRF_LOG}]
    assert ours[0].name == "session_auth.security"
    for record in caplog.records:
        own = [value for name, value in vars(record).items() if name not in STANDARD]
        texts = [record.getMessage(), *(value for value in own if isinstance(value, str))]
        assert all(map(str.isprintable, texts))
    assert len(ours[0].getMessage()) < 3_000
    assert " user_id=1" not in re.sub(r'"[^"]*"', "", ours[0].getMessage())


def test_nothing_is_worked_out_for_a_log_that_nobody_reads(alice: User, caplog: Any) -> None:
    with caplog.at_level(logging.ERROR, "session_auth.security"):
        signed_in()

    assert caplog.messages == []


def test_the_docs_name_each_event_with_its_level() -> None:
    """ASVS 16.1.1"""
    levels = {
        cells[0].strip("` "): cells[3].strip()
        for line in DOCS.splitlines()
        if len(cells := line.strip("|").split("|")) == 4
    }

    assert {name: level for name, level in levels.items() if name in set(Event)} == {
        str(event): logging.getLevelName(LEVELS.get(event, logging.INFO)) for event in Event
    }
