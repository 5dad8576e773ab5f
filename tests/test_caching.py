"""Pages that name their user: never served to others by Django's caches, nor by a proxy's."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.template import engines
from django.template.response import TemplateResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control, cache_page
from django.views.decorators.vary import vary_on_cookie
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from session_auth.decorators import login_required
from tests.api_client import AUTH, ApiClient, signed_in
from tests.settings import MIDDLEWARE

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH = "django.middleware.cache.FetchFromCacheMiddleware"
SITE_WIDE = [UPDATE, *MIDDLEWARE, FETCH]

made: list[str] = []
"""The paths for which a view was called, and not a cache."""


def page_of(request: HttpRequest) -> str:
    made.append(request.path)
    return request.user.get_username() or "-"


def public(request: HttpRequest) -> HttpResponse:
    made.append(request.path)
    return HttpResponse("the same for all")


async def public_async(request: HttpRequest) -> HttpResponse:
    return public(request)


def of_user(request: HttpRequest) -> HttpResponse:
    return HttpResponse(page_of(request))


async def of_user_async(request: HttpRequest) -> HttpResponse:
    await request.auser()
    return of_user(request)


def streamed(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([page_of(request)])


def template(request: HttpRequest) -> TemplateResponse:
    """A page that asks for its user when it is rendered, which is after the view."""
    made.append(request.path)
    text = engines["django"].from_string("{{ request.user.get_username }}")
    return TemplateResponse(request, text)


def template_for_all(request: HttpRequest) -> TemplateResponse:
    made.append(request.path)
    return TemplateResponse(request, engines["django"].from_string("the same for all"))


def cart(request: HttpRequest) -> HttpResponse:
    """A page that writes to a visitor's session."""
    made.append(request.path)
    return HttpResponse(request.session.setdefault("cart", request.GET.get("item", "empty")))


def told(request: HttpRequest) -> HttpResponse:
    """A page with messages, as nearly each page has them, which asks for no user."""
    made.append(request.path)
    return HttpResponse(" ".join(str(message) for message in get_messages(request)) or "-")


def tell(request: HttpRequest) -> HttpResponse:
    messages.success(request, f"{request.user.get_username()} has paid")
    return HttpResponse()


def form(request: HttpRequest) -> HttpResponse:
    made.append(request.path)
    return HttpResponse(get_token(request))


class DrfView(APIView):  # type: ignore[misc]  # has no types
    @method_decorator(cache_page(60))
    def get(self, request: Request) -> Response:
        made.append(request.path)
        return Response(request.user.get_username() or "-")


def says(**directives: Any) -> Callable[..., Any]:
    return cache_control(**directives)(of_user)


stored = cache_page(60)
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("public/", stored(public)),
    path("public-async/", stored(public_async)),
    path("public-template/", stored(template_for_all)),
    path("user/", stored(of_user)),
    path("user-async/", stored(of_user_async)),
    path("user-streamed/", stored(streamed)),
    path("user-template/", stored(template)),
    path("user-varied/", stored(vary_on_cookie(of_user))),
    path("user-said-public/", stored(says(public=True))),
    path("user-drf/", DrfView.as_view()),
    path("inside/", stored(login_required(of_user))),
    path("inside-async/", stored(login_required(of_user_async))),
    path("outside/", login_required(stored(of_user))),
    path("outside-async/", login_required(stored(of_user_async))),
    path("cart/", stored(cart)),
    path("cart-varied/", stored(vary_on_cookie(cart))),
    path("form/", stored(form)),
    path("told/", stored(told)),
    path("tell/", tell),
    path("plain/public/", public),
    path("plain/user/", of_user),
    path("plain/streamed/", streamed),
    path("plain/cart/", cart),
    path("plain/form/", form),
    path("plain/max-age/", says(max_age=60)),
    path("plain/no-cache/", says(no_cache=True)),
    path("plain/said-public/", says(public=True, max_age=60)),
    path("plain/said-private/", says(private=True, max_age=60)),
    path("plain/no-store/", says(no_store=True)),
    path("plain/s-maxage/", says(s_maxage=60)),
]

NAMING = ["user", "user-async", "user-streamed", "user-template", "user-varied", "user-drf"]
BEHIND_A_DOOR = ["inside", "inside-async", "outside", "outside-async"]


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    cache.clear()
    made.clear()
    yield
    cache.clear()


@pytest.fixture
def here(alice: User) -> ApiClient:
    return signed_in()


def text(response: Any) -> str:
    return str(response.getvalue().decode()).strip('"')


def anew(browser: Client) -> Client:
    """Return the same browser with the middleware of now: a test client keeps its first ones."""
    client = Client()
    client.cookies = browser.cookies
    return client


def get_async(browser: Client, url: str) -> Any:
    client = AsyncClient()
    client.cookies = browser.cookies
    return async_to_sync(client.get)(url)


# What cache_page stores


@pytest.mark.parametrize("name", [*NAMING, "user-said-public"])
def test_a_page_that_names_its_user_is_served_to_nobody_else(
    here: ApiClient, bob: User, name: str
) -> None:
    there = signed_in("bob")

    seen = [text(browser.get(f"/{name}/")) for browser in (here, there, Client(), here)]

    assert seen == ["alice", "bob", "-" if "template" not in name else "", "alice"]


@pytest.mark.parametrize("name", NAMING)
def test_a_page_that_was_made_for_a_visitor_is_served_to_no_user(
    here: ApiClient, name: str
) -> None:
    Client().get(f"/{name}/")

    assert text(here.get(f"/{name}/")) == "alice"


@pytest.mark.parametrize("name", ["user", "user-async", "inside-async"])
def test_under_asgi_it_is_served_to_nobody_else(here: ApiClient, bob: User, name: str) -> None:
    there = signed_in("bob")

    seen = [text(get_async(browser, f"/{name}/")) for browser in (here, there)]

    assert seen == ["alice", "bob"]


@pytest.mark.parametrize("name", BEHIND_A_DOOR)
def test_a_page_behind_a_login_is_served_to_its_user_alone(
    here: ApiClient, bob: User, name: str
) -> None:
    there = signed_in("bob")

    assert text(here.get(f"/{name}/")) == "alice"
    assert text(there.get(f"/{name}/")) == "bob"
    assert Client().get(f"/{name}/").status_code == 401


@pytest.mark.parametrize("name", ["user", "user-varied"])
def test_no_page_outlives_its_session_in_a_cache(here: ApiClient, name: str) -> None:
    here.get(f"/{name}/")
    thief = Client()
    thief.cookies["sessionid"] = here.session_key()
    thief.cookies["csrftoken"] = here.csrf_token()
    thief.cookies["sessionid_device"] = here.cookies["sessionid_device"].value
    assert text(thief.get(f"/{name}/")) == "alice"

    here.log_out()

    assert text(thief.get(f"/{name}/")) == "-"


@pytest.mark.parametrize("name", ["cart", "cart-varied"])
def test_a_page_of_a_visitors_session_is_served_to_nobody_else(name: str) -> None:
    visitor = Client()

    first = visitor.get(f"/{name}/?item=secret")
    again = visitor.get(f"/{name}/?item=secret")
    stranger = Client().get(f"/{name}/?item=secret")

    assert [text(response) for response in (first, again, stranger)] == ["secret"] * 3
    assert len(made) == 3


def test_a_page_with_a_token_is_served_to_nobody_else(here: ApiClient) -> None:
    """Also if the token is computed from the cookies, and no session is loaded for it."""
    tokens = [text(browser.get("/form/")) for browser in (here, Client())]

    assert len(made) == 2
    assert tokens[0] != tokens[1]


def test_a_page_with_a_message_is_served_to_nobody_else(here: ApiClient) -> None:
    """Messages come in a cookie of their own, for which no session is loaded."""
    here.get("/tell/")

    seen = [text(browser.get("/told/")) for browser in (here, Client(), here)]

    assert seen == ["alice has paid", "-", "-"]


def test_a_page_that_would_show_messages_and_has_none_is_stored_for_all(here: ApiClient) -> None:
    for browser in (here, Client()):
        browser.get("/told/")

    assert made == ["/told/"]


@pytest.mark.parametrize("name", ["public", "public-async", "public-template"])
def test_a_page_that_asks_for_nobody_is_still_stored_for_all(here: ApiClient, name: str) -> None:
    first = here.get(f"/{name}/")
    Client().get(f"/{name}/")
    get_async(here, f"/{name}/")

    assert made == [f"/{name}/"]
    assert first.headers["Cache-Control"] == "max-age=60"
    assert "Vary" not in first.headers


def test_a_page_of_nobodys_is_stored_by_cookie_where_the_view_says_so() -> None:
    for _ in range(2):
        Client().get("/user-varied/")

    assert len(made) == 1


@override_settings(
    SESSION_ENGINE="django.contrib.sessions.backends.db",
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
)
def test_with_an_engine_of_djangos_all_is_as_in_django(alice: User) -> None:
    browser = Client()
    browser.force_login(alice)
    browser.get("/user/")

    assert text(Client().get("/user/")) == "alice"


@override_settings(MIDDLEWARE=[])
def test_without_sessions_all_is_as_in_django() -> None:
    for _ in range(2):
        Client().get("/public/")

    assert len(made) == 1


# The cache of a whole site


@pytest.mark.parametrize(
    "middleware",
    [
        SITE_WIDE,
        [*MIDDLEWARE, UPDATE, FETCH],
        [*MIDDLEWARE, "django.middleware.cache.CacheMiddleware"],
    ],
    ids=["as documented", "below the session", "in one"],
)
@pytest.mark.parametrize("name", ["plain/user", "plain/said-public", "plain/streamed"])
def test_a_cache_of_the_site_serves_a_page_to_its_user_alone(
    here: ApiClient, bob: User, middleware: list[str], name: str
) -> None:
    there = signed_in("bob")

    with override_settings(MIDDLEWARE=middleware):
        browsers = (anew(here), anew(there), Client(), anew(here))
        seen = [text(browser.get(f"/{name}/")) for browser in browsers]

    assert seen == ["alice", "bob", "-", "alice"]
    assert len(made) == 4


@override_settings(MIDDLEWARE=SITE_WIDE)
def test_a_cache_of_the_site_goes_on_storing_what_visitors_see(here: ApiClient) -> None:
    for _ in range(2):
        Client().get("/plain/user/")
        Client().get("/plain/public/")
        anew(here).get("/plain/public/")

    assert made == ["/plain/user/", "/plain/public/"]


# What the answer says to caches elsewhere


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plain/user", "private"),
        ("plain/streamed", "private"),
        ("plain/form", "private"),
        ("plain/max-age", "max-age=60, private"),
        ("plain/no-cache", "no-cache, private"),
        ("plain/said-public", "public, max-age=60"),
        ("plain/said-private", "private, max-age=60"),
        ("plain/no-store", "no-store"),
        ("plain/s-maxage", "s-maxage=60"),
        ("user", "private"),
    ],
)
def test_what_names_a_user_is_private_unless_its_view_says_otherwise(
    here: ApiClient, name: str, said: str
) -> None:
    response = here.get(f"/{name}/")

    assert response.headers["Cache-Control"] == said
    assert response.headers["Vary"] == "Cookie"


def test_under_asgi_what_names_a_user_is_private(here: ApiClient) -> None:
    assert get_async(here, "/user-async/").headers["Cache-Control"] == "private"


def test_the_page_of_a_visitors_session_is_private() -> None:
    assert Client().get("/plain/cart/").headers["Cache-Control"] == "private"


def test_a_token_of_a_visitors_is_private() -> None:
    assert Client().get("/plain/form/").headers["Cache-Control"] == "private"


def test_a_page_that_has_found_nobody_varies_and_may_be_kept() -> None:
    response = Client().get("/plain/user/")

    assert "Cache-Control" not in response.headers
    assert response.headers["Vary"] == "Cookie"


def test_a_page_that_asks_for_nobody_is_left_as_it_is(here: ApiClient) -> None:
    response = here.get("/plain/public/")

    assert "Cache-Control" not in response.headers
    assert "Vary" not in response.headers


def test_an_endpoint_says_no_store_and_nothing_else(here: ApiClient) -> None:
    assert here.get(AUTH + "user/").headers["Cache-Control"] == "no-store"
