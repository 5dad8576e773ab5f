"""Sessions, or users, in a database of their own: all works, by whatever kind of router."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.test import Client, override_settings

from session_auth.models import Session
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in

pytestmark = pytest.mark.django_db
ELSEWHERE = "elsewhere"
LIST = "/admin/session_auth/session/"
SESSIONS = ("session_auth",)
USERS = ("auth", "contenttypes", "admin")


class Router:
    """Sends the models of some apps elsewhere; of the others, it may say nothing."""

    def __init__(self, app_labels: tuple[str, ...], other: str | None) -> None:
        self.app_labels, self.other = app_labels, other

    def db_for_read(self, model: Any, **hints: object) -> str | None:
        return ELSEWHERE if model._meta.app_label in self.app_labels else self.other

    db_for_write = db_for_read


@pytest.fixture(params=[(apps, other) for apps in (SESSIONS, USERS) for other in ("default", None)])
def away(request: pytest.FixtureRequest, db: None, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The apps whose tables are in a second database, which has no others."""
    app_labels, other = request.param
    config = connections.settings["default"] | {"NAME": tmp_path / "db", "OPTIONS": {}}
    # Made by hand: one that the settings have is forbidden to tests that do not name it.
    connection = connections[ELSEWHERE] = DatabaseWrapper(config, ELSEWHERE)
    with connection.schema_editor() as schema:
        for app_label in app_labels:
            for model in apps.get_app_config(app_label).get_models():
                schema.create_model(model)
    ContentType.objects.clear_cache()
    with override_settings(DATABASE_ROUTERS=[Router(app_labels, other)]):
        yield app_labels
    connection.close()
    del connections[ELSEWHERE]


@pytest.fixture
def staff(away: tuple[str, ...]) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    return client


@pytest.fixture
def here(away: tuple[str, ...]) -> ApiClient:
    User.objects.create_user("bob", password=PASSWORD)
    return signed_in("bob")


def test_rows_are_where_the_router_says(here: ApiClient, away: tuple[str, ...]) -> None:
    sessions, users = (ELSEWHERE, "default") if away == SESSIONS else ("default", ELSEWHERE)

    assert Session.objects.using(sessions).filter(pk=id_of(here)).exists()
    assert User.objects.using(users).filter(username="bob").exists()
    assert here.user()["username"] == "bob"
    assert [each["id"] for each in here.get(AUTH + "sessions/").json()["sessions"]] == [id_of(here)]


def delete(user: User, staff: Client) -> None:
    user.delete()


def delete_by_query(user: User, staff: Client) -> None:
    User.objects.filter(pk=user.pk).delete()


def delete_in_the_admin(user: User, staff: Client) -> None:
    path = f"/admin/auth/user/{user.pk}/delete/"
    assert staff.get(path).status_code == 200
    staff.post(path, {"post": "yes"})


@pytest.mark.parametrize("remove", [delete, delete_by_query, delete_in_the_admin])
def test_a_deleted_user_has_no_session_left(
    staff: Client, here: ApiClient, remove: Callable[[User, Client], None]
) -> None:
    remove(User.objects.get(username="bob"), staff)

    assert not User.objects.filter(username="bob").exists()
    assert not Session.objects.filter(pk=id_of(here)).exists()
    assert here.user() is None


@pytest.mark.parametrize("query", ["", "?o=1", "?o=2", "?user__isempty=0", "?user__isempty=1"])
def test_staff_see_sessions_with_their_users(staff: Client, here: ApiClient, query: str) -> None:
    page = staff.get(LIST + query).content.decode()

    assert (id_of(here)[:8] in page) == ("isempty=1" not in query)
    assert ("bob</td>" in page) == ("isempty=1" not in query)


@pytest.mark.parametrize(("term", "is_found"), [("BO", True), ("root", False), ("127.0.0.1", True)])
def test_staff_find_sessions_by_user_and_by_address(
    staff: Client, here: ApiClient, term: str, is_found: bool
) -> None:
    page = staff.get(LIST, {"q": term}).content.decode()

    assert (id_of(here)[:8] in page) is is_found


def test_staff_look_at_a_session_and_end_it(staff: Client, here: ApiClient) -> None:
    path = f"{LIST}{quote(id_of(here))}/"

    page = staff.get(path + "change/").content.decode()
    asked = staff.get(path + "delete/").status_code
    staff.post(path + "delete/", {"post": "yes"})

    assert "bob" in page
    assert asked == 200
    assert here.user() is None


def test_staff_end_all_sessions_that_match(staff: Client, here: ApiClient) -> None:
    select = {"action": "delete_selected", "_selected_action": [id_of(here)]}
    every = select | {"select_across": "1"}

    page = staff.post(LIST + "?q=bob", every).content.decode()
    staff.post(LIST + "?q=bob", every | {"post": "yes"})

    assert "1 session<" in page
    assert here.user() is None
    assert staff.get(LIST).status_code == 200
