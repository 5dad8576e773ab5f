"""What a project's tests are given; the snippets of docs/testing.md are tests of this module."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import (
    AsyncClient,
    AsyncRequestFactory,
    Client,
    RequestFactory,
    TestCase,
    override_settings,
)
from django.utils import timezone
from rest_framework.test import APIClient

import session_auth
from session_auth import testing
from session_auth.decorators import login_required, recent_login_required
from session_auth.models import Session
from session_auth.testing import Clock, add_session, alog_in, frozen_clock, log_in
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.clock import NOON

HOUR = timedelta(hours=1)
RECENT = timedelta(minutes=15)
SECOND = timedelta(seconds=1)
BACKENDS = [
    "session_auth.backends.ModelBackend",
    "django.contrib.auth.backends.AllowAllUsersModelBackend",
]
PAGE = (Path(__file__).resolve().parents[1] / "docs" / "testing.md").read_text()

for snippet in re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
    if "live_server" not in snippet:  # tests/browser runs that one
        exec(snippet, globals())  # noqa: S102 # our own docs


@login_required
def private(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"user": request.user.get_username()})


@login_required
async def private_async(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"user": (await request.auser()).get_username()})


@recent_login_required
def recent(request: HttpRequest) -> HttpResponse:
    return private(request)


@recent_login_required
async def recent_async(request: HttpRequest) -> HttpResponse:
    return await private_async(request)


def sync_client(user: User, path: str, **proof: Any) -> Any:
    return log_in(Client(), user, **proof).get(path)


@async_to_sync
async def async_client(user: User, path: str, **proof: Any) -> Any:
    return await (await alog_in(AsyncClient(), user, **proof)).get(path)


def sync_request(user: User, path: str, **proof: Any) -> Any:
    return recent(log_in(RequestFactory().get(path), user, **proof))


@async_to_sync
async def async_request(user: User, path: str, **proof: Any) -> Any:
    return await recent_async(await alog_in(AsyncRequestFactory().get(path), user, **proof))


CLIENTS = [sync_client, async_client]


@pytest.mark.parametrize("call", [*CLIENTS, sync_request, async_request])
@pytest.mark.parametrize(
    ("age", "status"), [(timedelta(0), 200), (RECENT, 200), (RECENT + SECOND, 403), (HOUR, 403)]
)
def test_the_age_of_the_proof_decides_whether_the_login_is_recent(
    alice: User, call: Callable[..., Any], age: timedelta, status: int
) -> None:
    with frozen_clock():
        assert call(alice, "/api/recent/", age=age).status_code == status


@pytest.mark.parametrize("call", CLIENTS)
def test_the_session_began_with_the_proof_and_was_in_use_until_now(
    alice: User, call: Callable[..., Any]
) -> None:
    with frozen_clock(NOON):
        response = call(alice, AUTH + "sessions/", methods=["passkey", "totp"], age=HOUR)

    [session] = response.json()["sessions"]
    assert session["methods"] == {
        "passkey": "2026-11-24T11:00:00Z",
        "totp": "2026-11-24T11:00:00Z",
    }
    assert session["created_at"] == "2026-11-24T11:00:00Z"
    assert session["last_seen_at"] == "2026-11-24T12:00:00Z"
    row = Session.objects.get()
    assert row.authenticated_at == NOON - HOUR
    assert row.expires_at == NOON + timedelta(days=14)


def test_a_login_is_by_password_and_of_now_unless_it_is_said(alice: User) -> None:
    with frozen_clock(NOON):
        [session] = sync_client(alice, AUTH + "sessions/").json()["sessions"]

    assert session["methods"] == {"password": "2026-11-24T12:00:00Z"}


@override_settings(SESSION_AUTH_IDLE_TIMEOUT=timedelta(minutes=5))
def test_an_old_proof_does_not_make_an_idle_session(alice: User) -> None:
    assert sync_client(alice, "/api/private/", age=HOUR).status_code == 200


@override_settings(SESSION_AUTH_ABSOLUTE_TIMEOUT=2 * HOUR)
def test_a_session_ends_by_the_age_of_its_proof(alice: User) -> None:
    with frozen_clock(NOON):
        client = log_in(Client(), alice, age=HOUR)
        assert Session.objects.get().expires_at == NOON + HOUR
        assert client.get("/api/private/").status_code == 200
        log_in(client, alice, age=2 * HOUR)

        assert client.get("/api/private/").json()["code"] == "session_ended"


def test_a_client_can_be_logged_in_again_and_as_somebody_else(alice: User, bob: User) -> None:
    client = log_in(log_in(Client(), alice, age=HOUR), alice)
    assert client.get("/api/recent/").status_code == 200

    log_in(client, bob)

    assert client.get(AUTH + "user/").json()["user"] == {"id": bob.pk, "username": "bob"}
    assert Session.objects.count() == 1


def test_a_client_that_checks_csrf_goes_on_with_a_token(alice: User) -> None:
    browser = log_in(ApiClient(), alice)

    assert browser.call("DELETE", AUTH + "sessions/").json() == {"ended": 0}


@override_settings(AUTHENTICATION_BACKENDS=BACKENDS)
@pytest.mark.parametrize("log_in", [log_in, async_to_sync(alog_in)])
@pytest.mark.parametrize(("given", "used"), [(None, BACKENDS[0]), (BACKENDS[1], BACKENDS[1])])
def test_of_several_backends_one_can_be_named(
    alice: User, log_in: Any, given: str | None, used: str
) -> None:
    client = log_in(Client(), alice, backend=given)

    assert client.session[BACKEND_SESSION_KEY] == used


def test_the_client_of_rest_framework_is_logged_in_alike(alice: User) -> None:
    client = log_in(APIClient(), alice, age=HOUR)

    assert client.get("/api/private/").status_code == 200
    assert client.get("/api/recent/").status_code == 403


def test_a_request_is_that_of_its_user(alice: User) -> None:
    request = log_in(RequestFactory().get("/"), alice)

    assert request.user == alice
    assert request.session.session_key == request.COOKIES["sessionid"]
    request.session["cart"] = 3
    request.session.save()
    client = Client()
    client.cookies["sessionid"] = request.COOKIES["sessionid"]
    assert client.get("/api/note/").json()["cart"] == 3


@pytest.mark.parametrize(
    "call",
    [
        lambda: private(stranger(RequestFactory())),
        lambda: recent(stranger(RequestFactory())),
        lambda: async_to_sync(private_async)(stranger(AsyncRequestFactory())),
        lambda: async_to_sync(recent_async)(stranger(AsyncRequestFactory())),
    ],
)
def test_a_request_of_a_stranger_is_refused_without_a_query(call: Callable[[], Any]) -> None:
    response = call()

    assert response.status_code == 401


def stranger(factory: RequestFactory | AsyncRequestFactory) -> Any:
    request: Any = factory.get("/")
    add_session(request)
    assert request.session.is_empty()
    return request


def test_a_request_can_be_logged_in_again_as_somebody_else(alice: User, bob: User) -> None:
    request = log_in(RequestFactory().get("/"), alice)
    assert request.user == alice

    log_in(request, bob)

    assert request.user == bob


def test_a_request_with_a_user_alone_passes_a_sync_view_that_needs_a_login(alice: User) -> None:
    request = RequestFactory().get("/")
    request.user = alice

    assert private(request).status_code == 200


def test_a_request_can_take_its_session_from_a_client(alice: User) -> None:
    request = RequestFactory().get("/")
    request.COOKIES["sessionid"] = log_in(Client(), alice).cookies["sessionid"].value

    add_session(request)

    assert request.user == alice


def test_what_makes_no_sense_is_refused(alice: User) -> None:
    with pytest.raises(TypeError, match=r"methods=\('passkey',\)"):
        log_in(Client(), alice, methods="passkey")
    with pytest.raises(ValueError, match="cannot be negative"):
        log_in(Client(), alice, age=-SECOND)

    assert Session.objects.count() == 0


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db")
def test_another_engine_for_the_tests_is_told_of(alice: User) -> None:
    with pytest.raises(ImproperlyConfigured, match="SESSION_ENGINE is 'django"):
        log_in(Client(), alice)


def test_a_login_takes_its_time_from_time_machine_too(alice: User) -> None:
    with time_machine.travel(NOON, tick=False) as traveller:
        client = log_in(Client(), alice, age=RECENT)
        assert client.get("/api/recent/").status_code == 200
        assert Session.objects.get().authenticated_at == NOON - RECENT
        traveller.shift(SECOND)

        assert client.get("/api/recent/").status_code == 403


def test_time_stands_still_until_it_is_moved() -> None:
    with frozen_clock(NOON) as clock:
        assert [timezone.now(), time.time()] == [NOON, NOON.timestamp()]
        clock.shift(HOUR)
        assert [timezone.now(), time.time()] == [NOON + HOUR, (NOON + HOUR).timestamp()]
        clock.shift(-2 * HOUR)
        assert timezone.now() == NOON - HOUR
        clock.move_to(NOON)
        assert timezone.now() == NOON


def test_time_stands_still_in_every_thread() -> None:
    with frozen_clock(NOON), ThreadPoolExecutor() as threads:
        assert threads.submit(timezone.now).result() == NOON


def test_time_stands_still_to_the_microsecond() -> None:
    at = NOON + timedelta(microseconds=123457)

    with frozen_clock(at) as clock:
        clock.shift(timedelta(microseconds=1))

        assert timezone.now() == at + timedelta(microseconds=1)


def test_time_goes_on_afterwards_also_after_an_error() -> None:
    with pytest.raises(RuntimeError), frozen_clock(NOON):
        raise RuntimeError

    assert abs(timezone.now() - datetime.now(UTC)) < HOUR
    assert abs(time.time() - datetime.now(UTC).timestamp()) < HOUR.total_seconds()


def test_a_clock_begins_at_what_the_time_is() -> None:
    before = timezone.now()

    with frozen_clock():
        assert before <= timezone.now() <= datetime.now(UTC)
    with frozen_clock(NOON), frozen_clock():
        assert timezone.now() == NOON


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_time_without_a_zone_is_one_of_the_settings(use_tz: bool) -> None:
    naive = datetime(2026, 11, 24, 12)

    with override_settings(USE_TZ=use_tz, TIME_ZONE="Asia/Tokyo"), frozen_clock(naive):
        told = timezone.now()

    assert told == (datetime(2026, 11, 24, 3, tzinfo=UTC) if use_tz else naive)


@frozen_clock(NOON)
def frozen() -> datetime:
    return timezone.now()


@frozen_clock(NOON)
async def frozen_async() -> datetime:
    return timezone.now()


def test_functions_can_be_decorated_async_ones_too() -> None:
    assert [frozen(), frozen(), async_to_sync(frozen_async)()] == [NOON] * 3
    assert timezone.now() != NOON


@frozen_clock(NOON)
class FrozenTest(TestCase):
    clock: Clock

    def test_a_class_can_be_decorated(self) -> None:
        assert timezone.now() == NOON
        self.clock.shift(HOUR)
        assert timezone.now() == NOON + HOUR

    def test_each_of_its_tests_has_a_clock_of_its_own(self) -> None:
        self.test_a_class_can_be_decorated()


@pytest.mark.django_db
def test_the_defaults_of_fields_stand_still() -> None:
    with frozen_clock(NOON):
        assert User.objects.create_user("carol").date_joined == NOON


def test_signatures_stand_still() -> None:
    with frozen_clock(NOON) as clock:
        signed = signing.dumps("value")
        clock.shift(HOUR)
        assert signing.loads(signed, max_age=HOUR) == "value"
        clock.shift(SECOND)
        with pytest.raises(signing.SignatureExpired):
            signing.loads(signed, max_age=HOUR)


@override_settings(PASSWORD_RESET_TIMEOUT=3600)
def test_links_for_a_new_password_stand_still(alice: User) -> None:
    with frozen_clock(NOON) as clock:
        token = default_token_generator.make_token(alice)
        clock.shift(HOUR)
        assert default_token_generator.check_token(alice, token)
        clock.shift(SECOND)
        assert not default_token_generator.check_token(alice, token)


def test_counts_of_guesses_stand_still(alice: User, browser: ApiClient) -> None:
    with frozen_clock(NOON) as clock:
        statuses = [browser.log_in(password="wrong").status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        clock.shift(timedelta(days=1))

        assert browser.log_in(password=PASSWORD).status_code == 200


def test_all_that_is_public_is_described_and_shown() -> None:
    for name in testing.__all__:
        assert getattr(testing, name).__doc__
        assert re.search(rf"\b{name}\b", PAGE), name


def test_nothing_that_answers_requests_imports_it() -> None:
    package = Path(next(iter(session_auth.__path__)))
    importers = [
        file.name
        for file in package.rglob("*.py")
        if re.search(r"session_auth(\.| import )testing", file.read_text())
    ]

    assert importers == ["testing.py"]  # in a docstring
