"""A German site: each answer, page and mail is in German, and no sentence of ours in English."""

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import messages
import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client, override_settings
from django.utils import timezone

from session_auth.factors.models import Factor
from session_auth.models import RequiredPassword
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.factors.authenticator import Authenticator
from tests.factors.calls import make_codes, register, second_factor, set_up_app

pytestmark = pytest.mark.once

NEW = "a much longer passphrase"
LINKS = override_settings(SESSION_AUTH_PASSWORD_RESET_URL="https://example.org/{uid}/{token}")


@pytest.fixture(autouse=True)
def german() -> Iterator[None]:
    with override_settings(LANGUAGE_CODE="de"):
        yield


def english_in(text: str) -> set[str]:
    """Return which sentences of ours are in ``text`` as they are in the source."""
    found = set()
    for app in messages.APPS:
        for message, translated in messages.read(messages.path_of(app, "de"))[1].items():
            for source in filter(None, (message.id, message.plural)):
                pattern = re.sub(r"%\\\(\w+\\\)[sd]", ".+", re.escape(source))
                words = re.sub(r"%\(\w+\)[sd]", "", source).split()
                is_sentence = len(words) > 1 and source not in translated
                if is_sentence and re.search(rf"(?<!\w){pattern}(?!\w)", text):
                    found.add(source)
    return found


def told(response: Any) -> str:
    body = response.json()
    fields = [text for texts in body.get("fields", {}).values() for text in texts]
    return " ".join([body.get("error", ""), body.get("message", ""), *fields])


def test_english_is_found() -> None:
    text = "Log in first. Ended 3 sessions."
    assert {"Log in first.", "Ended %(count)d sessions."} <= english_in(text)
    assert english_in("Melden Sie sich zuerst an.") == set()


Call = Callable[[ApiClient], Any]
REFUSED: dict[str, tuple[str, Call]] = {
    "no field": ("invalid_request", lambda b: b.call("POST", AUTH + "login/", {})),
    "no text": (
        "invalid_request",
        lambda b: b.call("POST", AUTH + "login/", {"username": "alice", "password": 1}),
    ),
    "unknown field": (
        "invalid_request",
        lambda b: b.call("POST", AUTH + "login/", {"username": "a", "password": "b", "x": 1}),
    ),
    "NUL": (
        "invalid_request",
        lambda b: b.call("POST", AUTH + "login/", {"username": "a\0", "password": "b"}),
    ),
    "wrong": ("invalid_credentials", lambda b: b.log_in(password="wrong")),
    "not logged in": ("not_authenticated", lambda b: b.get(AUTH + "sessions/")),
    "no JSON": ("malformed_json", lambda b: b.call("POST", AUTH + "login/", b"{")),
    "another type": (
        "unsupported_media_type",
        lambda b: b.call("POST", AUTH + "login/", b"x", CONTENT_TYPE="text/plain"),
    ),
    "too large": (
        "payload_too_large",
        lambda b: b.call("POST", AUTH + "login/", b" " * 20_000),
    ),
    "another method": ("method_not_allowed", lambda b: b.call("PUT", AUTH + "login/")),
    "no token": ("csrf_failed", lambda b: b.post(AUTH + "logout/", {}, "application/json")),
    "no such page": ("not_found", lambda b: b.get(AUTH + "nowhere/")),
    "no reset": (
        "not_found",
        lambda b: b.call("POST", AUTH + "password/reset/", {"email": "a@example.org"}),
    ),
    "no link": (
        "invalid_request",
        lambda b: b.call(
            "POST",
            AUTH + "password/reset/confirm/",
            {"uid": "MQ", "token": "x", "new_password": NEW},
        ),
    ),
    "too long": (
        "invalid_request",
        lambda b: b.call(
            "POST",
            AUTH + "password/reset/confirm/",
            {"uid": "MQ", "token": "x", "new_password": "x" * 5000},
        ),
    ),
    "no login": ("login_expired", lambda b: second_factor(b, "totp", code="1")),
    "unknown passkey": (
        "unknown_passkey",
        lambda b: b.call("POST", AUTH + "login/passkey/", {"credential": {}}),
    ),
}


@pytest.mark.parametrize(("code", "call"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_in_german(browser: ApiClient, alice: User, code: str, call: Call) -> None:
    response = call(browser)

    assert response.json()["code"] == code
    assert not english_in(told(response))
    assert not re.search(r"\b(the|is|must|field|required|your)\b", told(response), re.IGNORECASE)


def test_too_many_guesses_are_refused_in_german(browser: ApiClient, alice: User) -> None:
    for _ in range(20):
        response = browser.log_in(password="wrong")

    assert response.json()["error"] == "Zu viele Versuche. Versuchen Sie es später noch einmal."


def test_a_user_is_answered_in_german(alice: User) -> None:
    here = signed_in()
    answers = [
        here.call("POST", AUTH + "reauthenticate/", {}),
        here.call("POST", AUTH + "reauthenticate/", {"password": "wrong"}),
        here.call("POST", AUTH + "reauthenticate/", {"method": "nothing"}),
        here.call(
            "POST", AUTH + "password/change/", {"old_password": "wrong", "new_password": NEW}
        ),
        here.call("DELETE", AUTH + "sessions/x/"),
        here.get(AUTH + "sessions/?cursor=x"),
        here.call("POST", AUTH + "factors/totp/confirm/", {"code": "1"}),
        here.call("DELETE", AUTH + "factors/totp/"),
        here.call("POST", AUTH + "factors/passkeys/", {"credential": {}}),
        here.call("POST", AUTH + "factors/passkeys/", {"credential": {}, "name": "x" * 200}),
        here.call("PATCH", AUTH + "factors/passkeys/x/", {"name": ""}),
        here.call("PATCH", AUTH + "factors/passkeys/x/", {"name": "x"}),
        here.call("POST", AUTH + "passkeys/options/", {"purpose": "x"}),
        here.log_out(),
    ]

    for answer in answers:
        assert told(answer).strip()
        assert not english_in(told(answer))


def test_a_second_factor_is_asked_for_in_german(alice: User) -> None:
    set_up_app(signed_in())
    browser = ApiClient()

    assert told(browser.log_in()).strip() == "Bestätigen Sie, dass Sie es sind."
    page = Client(enforce_csrf_checks=False)
    page.cookies = browser.cookies
    found = page.get(AUTH + "login/second-factor/page/").content.decode()
    assert "<title>Bestätigen Sie, dass Sie es sind." in found
    assert "In diesem Browser nicht mehr fragen" in found
    assert not english_in(found)


@LINKS
def test_each_mail_is_in_german(browser: ApiClient, alice: User) -> None:
    browser.call("POST", AUTH + "password/reset/", {"email": "alice@example.org"})
    here = signed_in()
    set_up_app(here)
    make_codes(here)
    register(here, Authenticator())
    here.call("POST", AUTH + "password/change/", {"old_password": PASSWORD, "new_password": NEW})

    subjects = [
        "Ihr neues Passwort für testserver",
        *["Ihre Anmeldemethoden wurden geändert"] * 3,
        "Ihr Passwort wurde geändert",
    ]
    assert [message.subject.replace("example.org", "testserver") for message in mail.outbox] == (
        subjects
    )
    for message in cast("list[EmailMultiAlternatives]", mail.outbox):
        html = str(message.alternatives[0][0])
        assert '<html lang="de" dir="ltr">' in html
        assert not english_in(f"{message.subject}\n{message.body}\n{html}")


@LINKS
def test_the_admin_is_in_german(alice: User) -> None:
    here = signed_in()
    set_up_app(here)
    User.objects.create_superuser("root", "root@example.org", PASSWORD)
    staff = Client()
    staff.force_login(User.objects.get(username="root"))
    RequiredPassword.objects.create(user_id=str(alice.pk), required_at=timezone.now())
    ApiClient().log_in(password="wrong")
    paths = ["session_auth/session", "session_auth/endedsession", "session_auth/guesscount"]
    paths += ["session_auth/requiredpassword", "session_auth_factors/factor", "auth/user"]

    pages = [staff.get("/admin/").content.decode()]
    pages += [staff.get(f"/admin/{path}/").content.decode() for path in paths]
    pages += [staff.get(f"/admin/auth/user/{alice.pk}/change/").content.decode()]
    for action in ("send_link", "end_sessions", "unlock"):
        form = {"action": action, "_selected_action": [str(alice.pk)]}
        pages.append(staff.post("/admin/auth/user/", form, follow=True).content.decode())
    form = {"action": "remove_all_of_user", "_selected_action": [Factor.objects.get().pk]}
    path = "/admin/session_auth_factors/factor/"
    pages += [staff.post(path, form, follow=True).content.decode()]
    pages += [staff.post(path, form | {"reason": "x"}, follow=True).content.decode()]
    signed_in("root")
    chosen = [str(pk) for pk in User.objects.values_list("pk", flat=True)]
    form = {"action": "delete_selected", "_selected_action": chosen, "select_across": "1"}
    pages += [staff.post("/admin/session_auth/session/", form).content.decode()]

    assert "Diese Sitzungen werden beendet" in pages[-1]
    for page in pages:
        # The names of permissions are in the database, in English: Django writes them there.
        assert not english_in(re.sub(r"Can (add|change|delete|view) [^<]*", "", page))
