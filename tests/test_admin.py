"""Sessions in the admin."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.test import Client

from tests.api_client import PASSWORD, id_of, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    return client


LIST = "/admin/session_auth/session/"


def test_staff_find_sessions_by_user_and_see_no_key(staff: Client, alice: User, bob: User) -> None:
    here, foreign = signed_in(), signed_in("bob")

    page = staff.get(LIST, {"q": "alice"}).content.decode()

    assert id_of(here)[:8] in page
    assert id_of(foreign)[:8] not in page
    assert here.session_key() not in page


def test_staff_look_at_a_session_and_cannot_change_it(staff: Client, alice: User) -> None:
    here = signed_in()
    path = f"{LIST}{quote(id_of(here))}/change/"

    page = staff.get(path).content.decode()

    assert id_of(here) in page
    assert here.session_key() not in page
    assert 'name="_save"' not in page
    assert staff.get(LIST + "add/").status_code == 403
    assert staff.post(path, {"ip": "x"}).status_code == 403


def test_staff_end_the_sessions_that_they_select(
    staff: Client, alice: User, bob: User, ends: list[Any]
) -> None:
    here, foreign = signed_in(), signed_in("bob")

    staff.post(
        LIST,
        {"action": "delete_selected", "_selected_action": [id_of(here)], "post": "yes"},
    )

    assert ends == [(id_of(here), alice.pk, "ended_by_admin")]
    assert (here.user(), foreign.user() is not None) == (None, True)


def test_staff_end_one_session(staff: Client, alice: User, ends: list[Any]) -> None:
    here = signed_in()

    staff.post(f"{LIST}{quote(id_of(here))}/delete/", {"post": "yes"})

    assert ends == [(id_of(here), alice.pk, "ended_by_admin")]
