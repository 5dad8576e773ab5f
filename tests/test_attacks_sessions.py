"""Attacks on sessions, named by what must hold; the numbers are those of the catalogue.

``ELSEWHERE`` lists those for which there is nothing here to attack, each with the reason.
"""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client, override_settings

from session_auth.keys import digest, new_session_key
from session_auth.models import Session
from session_auth.sessions import list_sessions
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.password_calls import NEW, confirm, link_for
from tests.test_races import at_once

pytestmark = pytest.mark.django_db

LAST_ATTACK = 96
ELSEWHERE = {
    23: "There are no WebSockets here; session_of() is what a consumer would ask.",
    24: "There are no WebSockets here; the signal session_ended is what closes a project's own.",
    63: "No cache stands between a request and the rows: there is nothing stale to read.",
    78: "No cache stands between a request and the rows: the database alone can be down (A77).",
    92: "There is no second factor yet, so no login that is half done.",
    94: "There are no one-time codes yet.",
}


def test_no_key_can_be_found_by_trying(browser: ApiClient, alice: User) -> None:
    """A4: of 256 random bits none is ever found, and those who try fill no table."""
    for _ in range(100):
        browser.cookies["sessionid"] = new_session_key()
        response = browser.get("/api/private/")

        assert (response.status_code, response.json()["code"]) == (401, "session_ended")
        assert not response.cookies
    assert Session.objects.count() == 0


def test_a_stolen_cookie_is_seen_and_stopped(alice: User) -> None:
    """A7"""
    here = signed_in()
    thief = Client(REMOTE_ADDR="203.0.113.9")
    thief.cookies["sessionid"] = here.session_key()
    assert thief.get(AUTH + "user/", headers={"User-Agent": "thief/1"}).json()["user"]

    here.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})

    assert thief.get("/api/private/").status_code == 401
    assert [record.id for record in list_sessions(alice)] == [id_of(here)]


@pytest.mark.parametrize("endpoint", ["csrf/", "user/", "sessions/", "login/"])
def test_no_answer_can_be_framed(browser: ApiClient, alice: User, endpoint: str) -> None:
    """A25, ASVS 3.4.6"""
    browser.log_in()

    for response in (browser.get(AUTH + endpoint), browser.call("POST", AUTH + endpoint)):
        assert {"base-uri 'none'", "frame-ancestors 'none'"} <= set(
            response.headers["Content-Security-Policy"].split("; ")
        )
        assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("method", "endpoint", "body", "status"),
    [
        ("GET", "user/", None, 200),
        ("POST", "login/", b"{", 400),
        ("GET", "sessions/", None, 401),
        ("POST", "login/", {"username": "alice", "password": "wrong"}, 401),
        ("DELETE", "sessions/x/", None, 401),
        ("POST", "password/reset/", {"email": "a@example.org"}, 404),
        ("PUT", "user/", None, 405),
        ("POST", "login/", b"x" * 20_000, 413),
        ("POST", "login/?", b"", 415),
    ],
)
def test_every_answer_says_what_it_is_and_is_kept_by_no_cache(
    browser: ApiClient, alice: User, method: str, endpoint: str, body: object, status: int
) -> None:
    """A84"""
    more = {"CONTENT_TYPE": "text/plain"} if status == 415 else {}
    response = browser.call(method, AUTH + endpoint, body, **more)

    assert response.status_code == status
    assert response.json()
    assert (
        dict(response.headers).items()
        >= {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "Vary": "Cookie",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }.items()
    )


def test_a_stale_save_brings_no_recent_login_back(alice: User) -> None:
    """A65: when somebody proved who they are is no part of what a request saves."""
    here = signed_in()
    User.objects.update(is_staff=True)
    Session.objects.update(authenticated_at=None)

    here.call("POST", "/api/note/?key=value")

    assert Session.objects.get().authenticated_at is None
    assert here.call("DELETE", AUTH + "sessions/").status_code == 403


def test_a_login_with_a_password_that_is_changed_meanwhile_opens_nothing(alice: User) -> None:
    """A68: the session was made for the old hash, and ends at its first request."""
    here = signed_in()
    alice.set_password(NEW)
    User.objects.update(password=alice.password)

    assert here.get("/api/private/").status_code == 401
    assert Session.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_under_a_new_secret_key_many_requests_at_once_keep_their_session(alice: User) -> None:
    """A71"""
    here = signed_in()
    key = here.session_key()

    def call() -> int:
        browser = ApiClient()
        browser.cookies["sessionid"] = key
        return int(browser.get("/api/private/").status_code)

    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        statuses = at_once(*[call] * 10)
    with override_settings(SECRET_KEY="new"):
        later = call()

    assert [*statuses, later] == [200] * 11
    assert Session.objects.get().id == digest(key)


def test_a_new_user_with_the_id_of_a_deleted_one_inherits_no_session(alice: User) -> None:
    """A73"""
    here = signed_in()
    User.objects.filter(pk=alice.pk).delete()

    User.objects.create_user("mallory", password=PASSWORD, id=alice.pk)

    assert here.get("/api/private/").status_code == 401


def test_who_loses_a_right_has_lost_it_at_the_next_request(alice: User) -> None:
    """A74"""
    User.objects.update(is_staff=True)
    here = signed_in()
    assert here.get("/admin/").status_code == 200

    User.objects.update(is_staff=False)

    assert here.get("/admin/").status_code == 302


def test_a_token_for_a_new_password_is_in_no_log(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """A82: it goes into the body of a POST, where no log and no Referer has it."""
    link = link_for()

    wrong = confirm(ApiClient(), link | {"uid": "x"})
    right = confirm(ApiClient(), link)
    in_path = ApiClient().get(f"{AUTH}password/reset/confirm/?token=x")

    assert [wrong.status_code, right.status_code, in_path.status_code] == [400, 200, 405]
    assert link["token"] not in caplog.text


def test_a_logout_clears_nothing_of_other_hosts(alice: User) -> None:
    """A86: "cookies" in Clear-Site-Data would take those of the whole registrable domain."""
    assert "Clear-Site-Data" not in signed_in().log_out().headers


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "javascript:x", "http:evil", "/%09/evil"]
)
def test_no_answer_redirects(browser: ApiClient, alice: User, target: str) -> None:
    """A89"""
    with_next = {"username": "alice", "password": PASSWORD, "next": target}

    assert browser.call("POST", AUTH + "login/", with_next).status_code == 400
    response = browser.call("POST", f"{AUTH}login/?next={target}", with_next | {"next": ""})
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_a_proof_in_one_session_is_none_in_another(alice: User) -> None:
    """A93"""
    here, there = signed_in(), signed_in()
    Session.objects.update(authenticated_at=None)

    here.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})

    assert there.call("DELETE", AUTH + "sessions/").status_code == 403
    assert here.call("DELETE", AUTH + "sessions/").status_code == 200


def test_each_attack_of_the_catalogue_is_a_test_or_has_a_reason() -> None:
    told: set[int] = set()
    for file in Path(__file__).parent.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                told |= {int(n) for n in re.findall(r"\bA(\d+)\b", ast.get_docstring(node) or "")}
            if isinstance(node, ast.Constant) and re.match(r"A\d+ ", str(node.value)):
                told.add(int(re.findall(r"\d+", str(node.value))[0]))  # the name of a case

    assert told | ELSEWHERE.keys() == set(range(1, LAST_ATTACK + 1))
    assert told.isdisjoint(ELSEWHERE)
