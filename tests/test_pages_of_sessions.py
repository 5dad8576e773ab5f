"""GET sessions/ shows a hundred sessions at a time: a user may have ten thousand."""

import json
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from session_auth.keys import digest, new_session_key
from session_auth.models import Session
from session_auth.views import sessions as views
from tests.api_client import AUTH, ApiClient, id_of, signed_in
from tests.clock import NOON

pytestmark = pytest.mark.django_db


def b64(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def add_sessions(
    user: User, count: int, *, last_seen_at: datetime = NOON, user_agent: str = "script"
) -> list[str]:
    """Add sessions that were last seen at one time; return their ids as the list orders them."""
    at = last_seen_at if settings.USE_TZ else last_seen_at.replace(tzinfo=None)
    rows = [
        Session(
            id=digest(new_session_key()),
            user=user,
            data="{}",
            created_at=at,
            last_seen_at=at,
            expires_at=at + timedelta(days=14),
            user_agent=user_agent,
        )
        for _ in range(count)
    ]
    Session.objects.bulk_create(rows)
    added = Session.objects.filter(user_agent=user_agent).order_by("id")
    return list(added.values_list("id", flat=True))


def pages_of(browser: ApiClient) -> list[list[dict[str, Any]]]:
    pages, cursor = [], ""
    while cursor is not None:
        answer = browser.get(f"{AUTH}sessions/?cursor={cursor}").json()
        pages.append(answer["sessions"])
        cursor = answer["next"]
    return pages


@pytest.mark.parametrize(
    ("others", "sizes"), [(0, [1]), (99, [100]), (100, [100, 1]), (250, [100, 100, 51])]
)
def test_a_page_of_the_list_has_a_hundred_sessions_and_leads_to_the_next(
    clock: Any, alice: User, bob: User, others: int, sizes: list[int]
) -> None:
    here = signed_in()
    add_sessions(bob, 3, user_agent="bobs")
    clock.move_to(NOON + timedelta(minutes=2))
    ids = add_sessions(alice, others, last_seen_at=NOON + timedelta(minutes=5))

    pages = pages_of(here)

    assert [len(page) for page in pages] == sizes
    assert [session["id"] for page in pages for session in page] == [id_of(here), *ids]
    assert [session["current"] for page in pages for session in page] == [True] + [False] * others


def test_the_pages_are_in_the_order_of_their_last_use(clock: Any, alice: User) -> None:
    here = signed_in()
    late = add_sessions(alice, 120, last_seen_at=NOON + timedelta(minutes=2), user_agent="late")
    early = add_sessions(alice, 120, last_seen_at=NOON + timedelta(minutes=1), user_agent="early")

    ids = [session["id"] for page in pages_of(here) for session in page]

    assert ids == [id_of(here), *late, *early]


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_session_that_ends_between_two_pages_hides_no_other(
    clock: Any, alice: User, use_tz: bool
) -> None:
    with override_settings(USE_TZ=use_tz):
        here = signed_in()
        add_sessions(alice, 150)
        first = here.get(AUTH + "sessions/").json()
        Session.objects.filter(id__in=[each["id"] for each in first["sessions"][90:]]).delete()

        rest = here.get(f"{AUTH}sessions/?cursor={first['next']}").json()

    assert (len(rest["sessions"]), rest["next"]) == (51, None)


@pytest.mark.parametrize(
    "cursor",
    [
        "1",
        "x",
        "ÿ",
        "%00",
        b64("2026-11-24T12:00:00+00:00"),
        b64("2026-11-24T12:00:00+00:00 short"),
        b64(f"2026-11-24T12:00:00 {'a' * 43}"),
        b64(f"tomorrow {'a' * 43}"),
    ],
)
def test_what_is_no_cursor_is_refused(alice: User, cursor: str) -> None:
    response = signed_in().get(f"{AUTH}sessions/?cursor={cursor}")

    assert response.status_code == 400
    assert response.json()["code"] == "invalid_request"
    assert response.json()["fields"] == {"cursor": ["This is no cursor."]}


def test_each_user_agent_of_a_page_is_named_once(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[str] = []

    def name(agent: str) -> str:
        named.append(agent)
        return "A name"

    monkeypatch.setattr(views, "user_agent_name", name)
    here = signed_in(user_agent="Laptop")
    add_sessions(alice, 150, last_seen_at=timezone.now())

    page = here.get(AUTH + "sessions/").json()["sessions"]

    assert {session["device"] for session in page} == {"A name"}
    assert sorted(named) == ["Laptop", "script"]


def test_who_is_known_by_something_else_has_no_current_session(alice: User, bob: User) -> None:
    """As where a middleware sets request.user."""
    bobs = signed_in("bob")
    request = bobs.get(AUTH + "user/").wsgi_request
    request.user = alice
    [theirs] = add_sessions(alice, 1, last_seen_at=timezone.now())

    response: Any = views.SessionsView.as_view()(request)
    answer = json.loads(response.content)

    assert [(each["id"], each["current"]) for each in answer["sessions"]] == [(theirs, False)]
