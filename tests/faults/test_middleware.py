"""A store that fails where no view is to blame: in other middleware, late templates, commands."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.utils.decorators import sync_and_async_middleware

from session_auth.exceptions import StoreUnavailable
from tests.api_client import ApiClient
from tests.outage import unreachable_database
from tests.storing import SessionStore

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.faults.urls")]


class AsksBefore:
    """Middleware of a project that asks for the user before the view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.user.get_username()
        return self.get_response(request)


class AsksAtTheView(AsksBefore):
    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> None:
        request.user.get_username()


class AsksAfter(AsksBefore):
    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers["User"] = request.user.get_username()
        return response


class AsksTheDatabase(AsksBefore):
    """Which asks something of its own, and finds no database."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        User.objects.count()
        return self.get_response(request)


class Fails(AsksBefore):
    def __call__(self, request: HttpRequest) -> HttpResponse:
        raise RuntimeError("This has nothing to do with the store.")


@sync_and_async_middleware
def asks_async(get_response: Any) -> Any:
    """Do as ``AsksBefore`` does, in the way of each."""
    if not iscoroutinefunction(get_response):
        return AsksBefore(get_response)

    async def middleware(request: Any) -> HttpResponse:
        (await request.auser()).get_username()
        response: HttpResponse = await get_response(request)
        return response

    return middleware


def get(browser: ApiClient, path: str, *, asgi: bool) -> Any:
    client: Any = (AsyncClient if asgi else Client)(raise_request_exception=False)
    client.cookies = browser.cookies
    return async_to_sync(client.get)(path) if asgi else client.get(path)


@pytest.mark.parametrize("asgi", [False, True])
@pytest.mark.parametrize("path", ["/page/public/", "/api/note/"])
@pytest.mark.parametrize(
    "middleware",
    [
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
        f"{__name__}.AsksBefore",
        f"{__name__}.AsksAtTheView",
        f"{__name__}.AsksAfter",
        f"{__name__}.AsksTheDatabase",
        f"{__name__}.asks_async",
    ],
)
def test_other_middleware_may_ask_for_the_user(
    alice: User, browser: ApiClient, middleware: str, path: str, asgi: bool
) -> None:
    browser.log_in()

    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, middleware]):
        with unreachable_database():
            refused = get(browser, path, asgi=asgi)
        served = get(browser, path, asgi=asgi)

    assert (refused.status_code, served.status_code) == (503, 200)
    assert refused.headers["Retry-After"] == "5"
    assert refused.headers["Content-Type"] == (
        "application/json" if path.startswith("/api/") else "text/plain; charset=utf-8"
    )
    assert "sessionid" not in refused.cookies


@pytest.mark.parametrize("asgi", [False, True])
def test_what_else_fails_in_middleware_is_djangos(
    alice: User, browser: ApiClient, asgi: bool
) -> None:
    middleware = [*settings.MIDDLEWARE, f"{__name__}.Fails"]

    with override_settings(MIDDLEWARE=middleware), unreachable_database():
        assert get(browser, "/page/public/", asgi=asgi).status_code == 500


def test_a_page_that_is_not_found_may_greet_its_user(alice: User, browser: ApiClient) -> None:
    browser.log_in()

    with unreachable_database():
        refused = get(browser, "/nowhere/", asgi=False)
    served = get(browser, "/nowhere/", asgi=False)

    assert (refused.status_code, served.status_code) == (503, 404)
    assert served.content == b"Nothing here, alice."


def test_a_stream_that_has_begun_ends_with_what_went_wrong(alice: User, browser: ApiClient) -> None:
    """Its status was sent long ago: nobody can take it back, but nobody is a stranger either."""
    browser.log_in()

    with unreachable_database():
        response = get(browser, "/page/streamed/", asgi=False)

        with pytest.raises(StoreUnavailable):
            list(response)


@pytest.mark.parametrize(
    "command",
    [
        ["prune_sessions"],
        ["send_mails"],
        ["unlock", "alice"],
        ["end_sessions", "--all"],
        ["end_sessions", "--user", "alice"],
    ],
)
def test_a_command_says_what_it_could_not_do(alice: User, command: list[str]) -> None:
    with unreachable_database(), pytest.raises(CommandError, match="store") as raised:
        call_command(*command)

    assert raised.value.returncode == 1


def test_a_command_that_is_stopped_says_so_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr("session_auth.management.commands.prune_sessions.prune_sessions", stop)

    with pytest.raises(CommandError, match="run this again for the rest") as raised:
        call_command("prune_sessions")

    assert raised.value.returncode == 130  # as a shell says of Ctrl-C


@pytest.mark.parametrize("batch", ["0", "-5", "many"])
def test_a_command_refuses_batches_of_nothing(batch: str) -> None:
    with pytest.raises(CommandError, match="--batch"):
        call_command("prune_sessions", f"--batch={batch}")


def test_what_django_calls_at_night_raises(outage: None) -> None:
    with pytest.raises(StoreUnavailable):
        SessionStore.clear_expired()
    with pytest.raises(StoreUnavailable):
        SessionStore().exists("k" * 43)
