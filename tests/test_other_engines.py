"""Engines that are not ours, under our middleware: as in Django, or refused with the fix."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import login
from django.contrib.auth.models import AnonymousUser, User
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, override_settings
from django.urls import include, path

from session_auth import sessions, throttling
from session_auth.decorators import login_required
from session_auth.models import Session, UserStamp
from session_auth.sessions import listing
from session_auth.sessions.base import session_of
from session_auth.signals import EndReason
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.storing import SessionStore, stored

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
DJANGOS = "django.contrib.sessions.backends."


def enter(request: HttpRequest) -> HttpResponse:
    user = User.objects.get(username="alice")
    login(request, user, backend="session_auth.backends.ModelBackend")
    return HttpResponse(get_token(request))


def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_token(request))


def save(request: HttpRequest) -> JsonResponse:
    request.session["saved"] = request.session.get("saved", 0) + 1
    return JsonResponse({"by": request.user.get_username(), "saved": request.session["saved"]})


def replaced(request: HttpRequest) -> JsonResponse:
    request.session = {}  # type: ignore[assignment] # as code written for tests does
    return JsonResponse({"by": request.user.get_username()})


@login_required
def private(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


def guess_and_roll_back(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        throttling.reserve(request, "alice", "wrong").accept(False)
        transaction.set_rollback(True)
    return HttpResponse()


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("enter/", enter),
    path("form/", form),
    path("api/save/", save),
    path("api/private/", private),
    path("replaced/", replaced),
    path("guess/", guess_and_roll_back),
]


@pytest.fixture(params=["db", "cached_db", "cache", "signed_cookies"])
def engine(request: pytest.FixtureRequest) -> Any:
    cache.clear()
    with override_settings(SESSION_ENGINE=DJANGOS + request.param):
        yield request.param


@pytest.fixture
def djangos() -> Any:
    with override_settings(SESSION_ENGINE=DJANGOS + "db"):
        yield


def save_with(browser: ApiClient, token: str) -> Any:
    response = browser.post("/api/save/", {"csrfmiddlewaretoken": token})
    return response.json() if response.status_code == 200 else response.status_code


def test_logins_and_tokens_work_as_in_django(alice: User, engine: str, browser: ApiClient) -> None:
    before = browser.get("/form/").content.decode()
    token = browser.get("/enter/").content.decode()

    assert save_with(browser, before) == 403
    assert save_with(browser, token) == {"by": "alice", "saved": 1}
    assert save_with(browser, token) == {"by": "alice", "saved": 2}
    token = browser.get("/form/").content.decode()
    assert save_with(browser, token) == {"by": "alice", "saved": 3}
    assert browser.get("/api/private/").status_code == 200


def test_it_works_under_asgi(alice: User, engine: str, browser: ApiClient) -> None:
    token = browser.get("/enter/").content.decode()
    client = AsyncClient(enforce_csrf_checks=True)
    client.cookies = browser.cookies

    response: Any = async_to_sync(client.post)("/api/save/", {"csrfmiddlewaretoken": token})

    assert response.json() == {"by": "alice", "saved": 1}


def test_whoever_has_no_session_is_told_as_ever(engine: str, browser: ApiClient) -> None:
    assert browser.get("/api/private/").json()["code"] == "not_authenticated"


def test_what_needs_our_engine_says_so(alice: User, engine: str, browser: ApiClient) -> None:
    browser.get("/enter/")

    for call in (
        lambda: browser.get(AUTH + "user/"),
        lambda: browser.call("POST", AUTH + "login/", {"username": "alice", "password": PASSWORD}),
        lambda: sessions.list_sessions(alice),
        lambda: sessions.end_sessions(alice),
        lambda: sessions.end_session(alice, "x" * 43),
        sessions.end_all_sessions,
        lambda: call_command("end_sessions", all=True),
    ):
        with pytest.raises(ImproperlyConfigured, match=r"'session_auth\.engines\.database'"):
            call()


def test_a_dict_for_a_session_is_as_in_django(browser: ApiClient, alice: User) -> None:
    assert browser.get("/replaced/").json() == {"by": ""}
    browser.get("/enter/")
    assert browser.get("/replaced/").json() == {"by": ""}
    assert browser.get("/form/").wsgi_request.user == alice


@pytest.mark.parametrize("session", [{}, None])
def test_what_needs_a_session_says_what_it_has_got(rf: Any, session: object) -> None:
    request = rf.get("/")
    request.session = session

    with pytest.raises(ImproperlyConfigured, match=type(session).__name__):
        session_of(request)


def test_without_the_middleware_it_says_which(rf: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"middleware\.SessionMiddleware"):
        session_of(rf.get("/"))


def test_behind_login_required_a_dict_opens_nothing(rf: Any, alice: User) -> None:
    request = rf.get("/")
    request.COOKIES["sessionid"] = "x" * 43
    request.user, request.session = AnonymousUser(), {}

    response = private(request)

    assert response.status_code == 401


@pytest.mark.django_db(transaction=True)
def test_a_guess_that_was_rolled_back_counts_all_the_same(
    alice: User, djangos: None, browser: ApiClient
) -> None:
    for _ in range(5):
        assert browser.get("/guess/").status_code == 200

    assert browser.get("/guess/").status_code == 429


# The project has gone back to Django's engine, and the tables are there


def deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def set_password(user: User) -> None:
    user.set_password("another")
    user.save()


@pytest.mark.parametrize(
    "change", [deactivate, set_password, User.delete], ids=lambda change: change.__name__
)
def test_what_a_user_has_left_ends_also_while_another_engine_is_used(
    alice: User,
    change: Any,
    ends: list[tuple[str, Any, str]],
    django_capture_on_commit_callbacks: Any,
) -> None:
    browser = signed_in()
    user_id = alice.pk

    with (
        override_settings(SESSION_ENGINE=DJANGOS + "db"),
        django_capture_on_commit_callbacks(execute=True),
    ):
        change(alice)

    assert [end[1] for end in ends] == [user_id]
    assert not Session.objects.filter(user_id=user_id).exists()
    assert UserStamp.objects.filter(user_id=user_id).exists()
    assert browser.user() is None


def test_pruning_goes_on(alice: User, djangos: None, clock: Any) -> None:
    stored(cart=1)
    clock.shift(31 * 86400)

    call_command("prune_sessions", verbosity=0)

    assert not Session.objects.exists()


def test_the_admin_ends_what_it_lists(alice: User) -> None:
    signed_in()
    [session] = Session.objects.all()

    with override_settings(SESSION_ENGINE=DJANGOS + "db"):
        listing.end_by_ids([session.pk], reason=EndReason.ENDED_BY_ADMIN)

    assert not Session.objects.exists()


# An engine of one's own


class OwnSession:
    """Stands for a model."""


def model_class(cls: Any) -> Any:
    return OwnSession  # pragma: no cover # is refused for having it


def model_instance(self: Any, data: Any) -> Any:
    return OwnSession()  # pragma: no cover # as above


@pytest.mark.parametrize(
    "recipe",
    [
        {"get_model_class": classmethod(model_class)},
        {"create_model_instance": model_instance},
        {"model": OwnSession},
    ],
    ids=lambda recipe: next(iter(recipe)),
)
@pytest.mark.parametrize("mixed_in", [False, True])
def test_a_model_of_ones_own_is_refused_with_what_to_do(
    recipe: dict[str, Any], mixed_in: bool
) -> None:
    mixin = type("Mixin", (), recipe)
    bases = (mixin, SessionStore) if mixed_in else (SessionStore,)
    store = type("OwnStore", bases, {} if mixed_in else dict(recipe))

    with pytest.raises(ImproperlyConfigured, match=f"'{next(iter(recipe))}' of its own.*Remove it"):
        store("k" * 43)


def test_a_subclass_for_all_else_works() -> None:
    class Short(SessionStore):
        def get_session_cookie_age(self) -> int:
            return 60

    session = Short()
    session["a"] = 1
    session.save()

    assert Session.objects.count() == 1
