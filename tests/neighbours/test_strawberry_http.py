"""strawberry-django over HTTP: its login and logout, in a view of Django."""

from typing import Any

import pytest
import strawberry
from django.contrib.auth.models import User
from django.urls import include, path
from strawberry.django.views import AsyncGraphQLView, GraphQLView
from strawberry_django import auth

from session_auth.models import Session
from tests.api_client import PASSWORD, ApiClient
from tests.neighbours.test_strawberry import LOG_IN, UserType

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


@strawberry.type
class Query:
    @strawberry.field
    def me(self, info: strawberry.Info) -> str:
        return str(info.context.request.user)


@strawberry.type
class Mutation:
    login: UserType = auth.login()
    logout = auth.logout()


SCHEMA = strawberry.Schema(Query, Mutation)
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("graphql/", GraphQLView.as_view(schema=SCHEMA)),
    path("graphql-async/", AsyncGraphQLView.as_view(schema=SCHEMA)),
]


def ask(browser: ApiClient, text: str, **variables: str) -> Any:
    answer = browser.call("POST", "/graphql/", {"query": text, "variables": variables})
    return answer.json()["data"]


def test_users_log_in_and_out(alice: User, browser: ApiClient) -> None:
    assert ask(browser, LOG_IN, password=PASSWORD) == {"login": {"username": "alice"}}
    assert ask(browser, "{ me }") == {"me": "alice"}
    assert browser.user()["username"] == "alice"
    assert ask(browser, "mutation { logout }") == {"logout": True}
    assert ask(browser, "{ me }") == {"me": "AnonymousUser"}
    assert not Session.objects.filter(user=alice).exists()


@pytest.mark.parametrize("path", ["/graphql/", "/graphql-async/"])
def test_a_query_needs_the_token(browser: ApiClient, path: str) -> None:
    body = {"query": "mutation { logout }"}

    assert browser.post(path, body, content_type="application/json").status_code == 403
