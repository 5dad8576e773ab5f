"""graphene-django: a schema that knows the user, and a mutation of the project that logs in."""

from typing import Any

import graphene
import pytest
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import User
from django.urls import include, path
from graphene_django.views import GraphQLView

from session_auth.exceptions import Throttled
from session_auth.models import Session
from tests.api_client import PASSWORD, ApiClient, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
LOG_IN = "mutation ($password: String!) { logIn(password: $password) { name } }"


class LogIn(graphene.Mutation):
    class Arguments:
        password = graphene.String()

    name = graphene.String()

    def mutate(self, info: Any, password: str) -> "LogIn":
        user = authenticate(info.context, username="alice", password=password)
        if user is not None:
            login(info.context, user)
        return LogIn(name=info.context.user.get_username())


class LogOut(graphene.Mutation):
    done = graphene.Boolean()

    def mutate(self, info: Any) -> "LogOut":
        logout(info.context)
        return LogOut(done=True)


class Mutation(graphene.ObjectType):
    log_in = LogIn.Field()
    log_out = LogOut.Field()


class Query(graphene.ObjectType):
    me = graphene.String()

    def resolve_me(self, info: Any) -> str:
        return str(info.context.user.get_username())


SCHEMA = graphene.Schema(query=Query, mutation=Mutation)
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("graphql/", GraphQLView.as_view(schema=SCHEMA)),
]


def ask(browser: ApiClient, text: str, **variables: str) -> Any:
    return browser.call("POST", "/graphql/", {"query": text, "variables": variables}).json()


def test_users_log_in_and_out(alice: User, browser: ApiClient) -> None:
    assert ask(browser, LOG_IN, password=PASSWORD) == {"data": {"logIn": {"name": "alice"}}}
    assert ask(browser, "{ me }") == {"data": {"me": "alice"}}
    assert browser.user()["username"] == "alice"
    assert ask(browser, "mutation { logOut { done } }") == {"data": {"logOut": {"done": True}}}
    assert ask(browser, "{ me }") == {"data": {"me": ""}}
    assert not Session.objects.exists()


def test_a_query_needs_the_token(alice: User) -> None:
    here = signed_in()

    answer = here.post("/graphql/", {"query": "{ me }"}, content_type="application/json")

    assert answer.status_code == 403


def test_guesses_are_counted(alice: User, browser: ApiClient) -> None:
    for n in range(5):
        assert ask(browser, LOG_IN, password=f"wrong {n}")["data"] == {"logIn": {"name": ""}}

    [error] = ask(browser, LOG_IN, password=PASSWORD)["errors"]

    assert error["message"].startswith(str(Throttled.message)[:8])
    assert browser.user() is None
