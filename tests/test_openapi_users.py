"""What the OpenAPI document says of users is what the settings make public of them."""

from typing import Any, TypedDict

import pytest
from django.contrib.auth.models import User
from django.db import models
from django.test import override_settings
from django.utils.functional import cached_property

from session_auth.openapi import document, schemas

TEXT = {"type": "string"}


def user_schema() -> Any:
    return document()["components"]["schemas"]["User"]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("id", "username"), {"id": {"type": "integer"}, "username": TEXT}),
        (("email", "is_staff"), {"email": TEXT, "is_staff": {"type": "boolean"}}),
        (
            ("last_login",),
            {"last_login": {"type": ["string", "null"], "format": "date-time"}},
        ),
        (("is_anonymous", "nothing"), {"is_anonymous": {}, "nothing": {}}),
    ],
)
def test_a_user_has_the_fields_of_the_settings(names: Any, shown: object) -> None:
    with override_settings(SESSION_AUTH_USER_FIELDS=names):
        assert user_schema()["properties"] == shown
        assert user_schema()["required"] == list(names)


class Team(TypedDict):
    name: str
    rank: int | str
    notes: dict[str, Any] | None


class Shown(TypedDict):
    id: int
    teams: list[Team]


def typed(user: User) -> Shown:
    return {"id": user.pk, "teams": []}


def untyped(user: User) -> dict[str, Any]:
    return {"id": user.pk}


def test_a_function_that_describes_users_says_by_its_type_what_it_returns() -> None:
    assert typed(User(pk=1))["id"] == untyped(User(pk=1))["id"] == 1
    with override_settings(SESSION_AUTH_USER_FIELDS="tests.test_openapi_users.typed"):
        assert user_schema()["properties"] == {
            "id": {"type": "integer"},
            "teams": {"type": "array", "items": {"$ref": "#/components/schemas/Team"}},
        }
        team = document()["components"]["schemas"]["Team"]["properties"]
        assert team["rank"] == {"anyOf": [{"type": "integer"}, TEXT]}
        assert team["notes"] == {"type": ["object", "null"], "additionalProperties": {}}
    with override_settings(SESSION_AUTH_USER_FIELDS="tests.test_openapi_users.untyped"):
        assert user_schema() == {"type": "object"}


class Person(models.Model):
    """A user model of a project, which is never stored."""

    id = models.BigAutoField(primary_key=True)
    avatar = models.BinaryField(null=True)
    count = models.PositiveBigIntegerField()

    class Meta:
        app_label = "tests"
        managed = False

    def __str__(self) -> str:
        return self.initials

    @property
    def initials(self) -> str:
        return "a"

    @cached_property
    def age(self) -> int:
        return 1

    @property
    def later(self) -> "Unknown":  # type: ignore[name-defined]  # noqa: F821 # only a type checker's
        return None


def test_fields_and_properties_of_another_user_model(monkeypatch: Any) -> None:
    monkeypatch.setattr(schemas, "get_user_model", lambda: Person)
    assert (str(Person()), Person().age, Person().later) == ("a", 1, None)
    names = ("id", "avatar", "count", "initials", "age", "later")
    with override_settings(SESSION_AUTH_USER_FIELDS=names):
        shown = schemas.of_user({})["properties"]

    huge = {"type": ["integer", "string"]}
    assert shown == {
        "id": huge,
        "avatar": {},
        "count": huge,
        "initials": TEXT,
        "age": {"type": "integer"},
        "later": {},
    }
