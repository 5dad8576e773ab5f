import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client
from django.test.client import AsyncClient

from session_auth.models import Session
from tests.api_client import ApiClient

pytestmark = pytest.mark.django_db

VIEWS = [
    "/api/private/",
    "/api/private-async/",
    "/api/private-class/",
    "/api/private-class-async/",
    "/api/private-decorated/",
    "/api/private-handler/",
    "/page/private-api/",
]


@pytest.fixture(params=VIEWS)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_caller_without_a_cookie_is_asked_to_log_in_and_to_send_credentials(path: str) -> None:
    response = Client().get(path)

    assert response.status_code == 401
    assert response.json() == {
        "error": "Log in first.",
        "code": "not_authenticated",
        "hint": "If you have logged in, the request carried no session cookie: call fetch() with "
        "credentials: 'same-origin'.",
    }
    assert response.headers["WWW-Authenticate"] == "Session"
    assert response.headers["Cache-Control"] == "no-store"


def test_an_anonymous_session_is_asked_to_log_in(path: str, browser: ApiClient) -> None:
    browser.call("POST", "/api/note/?cart=1")

    response = browser.get(path)

    assert response.status_code == 401
    assert response.json() == {"error": "Log in first.", "code": "not_authenticated"}


def test_a_caller_whose_session_has_ended_is_told_so(
    path: str, browser: ApiClient, alice: User
) -> None:
    browser.log_in()
    Session.objects.all().delete()

    response = browser.get(path)

    assert response.status_code == 401
    assert response.json() == {
        "error": "Your session has ended. Log in again.",
        "code": "session_ended",
    }
    assert not response.cookies


def test_a_user_who_is_logged_in_comes_through(path: str, browser: ApiClient, alice: User) -> None:
    browser.log_in()

    response = browser.get(path)

    assert response.status_code == 200
    assert response.json()["username"] == "alice"


def test_the_doors_hold_under_asgi(path: str, alice: User) -> None:
    client = AsyncClient()

    async def before_and_after_login() -> list[int]:
        before = await client.get(path)
        await client.aforce_login(alice)
        after = await client.get(path)
        return [before.status_code, after.status_code]

    assert async_to_sync(before_and_after_login)() == [401, 200]


def test_a_wrapped_view_keeps_its_name() -> None:
    from tests.views import private, private_async

    assert private.__name__ == "private"
    assert private_async.__name__ == "private_async"
