"""strawberry-django over Channels: its login and logout, whose request is not Django's."""

from typing import Any

import pytest
import strawberry
import strawberry_django
from asgiref.sync import async_to_sync
from channels.auth import AuthMiddlewareStack
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from strawberry.channels import GraphQLHTTPConsumer
from strawberry_django import auth

from session_auth.models import Session
from tests.api_client import PASSWORD, ApiClient
from tests.neighbours.connections import query

pytestmark = pytest.mark.django_db(transaction=True)
LOG_IN = """mutation ($password: String!) {
    login(username: "alice", password: $password) { username }
}"""


@strawberry_django.type(get_user_model())
class UserType:
    username: strawberry.auto


@strawberry.type
class Query:
    @strawberry.field
    def me(self, info: strawberry.Info) -> str:
        return str(info.context["request"].consumer.scope["user"])


@strawberry.type
class Mutation:
    login: UserType = auth.login()
    logout = auth.logout()


APP = AuthMiddlewareStack(GraphQLHTTPConsumer.as_asgi(schema=strawberry.Schema(Query, Mutation)))


def ask(text: str, key: str = "", **variables: str) -> tuple[Any, list[str], str]:
    answer: tuple[Any, list[str], str] = async_to_sync(query)(APP, text, key=key, **variables)
    return answer


def log_in(password: str) -> tuple[Any, list[str], str]:
    return ask(LOG_IN, password=password)


def test_users_log_in_and_out(alice: User) -> None:
    data, errors, key = log_in(PASSWORD)
    assert (data, errors) == ({"login": {"username": "alice"}}, [])
    browser = ApiClient()
    browser.cookies["sessionid"] = key

    assert ask("{ me }", key)[0] == {"me": "alice"}
    assert browser.user()["username"] == "alice"
    assert ask("mutation { logout }", key)[:2] == ({"logout": True}, [])
    assert ask("{ me }", key)[0] == {"me": "AnonymousUser"}
    assert not Session.objects.filter(user=alice).exists()


def test_guesses_are_counted(alice: User) -> None:
    refusals = [log_in(f"wrong {n}")[1] for n in range(5)]

    assert refusals == [["Incorrect username/password"]] * 5
    data, [message], key = log_in(PASSWORD)
    assert (data, key) == (None, "")
    assert message.startswith("Too many")
