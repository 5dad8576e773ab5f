"""How far a reader has to go: the files that a request enters, and how often it crosses from one
to another. Whoever adds a step sees here what it costs those who read the code."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

import session_auth
from tests.api_client import AUTH, ApiClient
from tests.test_cost import OURS

ROOT = str(Path(session_auth.__file__).parent)

JOURNEYS: dict[str, tuple[Callable[[ApiClient], Any], int, int]] = {
    "login": (ApiClient.log_in, 21, 52),
    "a view behind the door": (lambda browser: browser.get("/api/private/"), 8, 13),
    "GET user/": (lambda browser: browser.get(AUTH + "user/"), 12, 23),
    "GET sessions/": (lambda browser: browser.get(AUTH + "sessions/"), 16, 30),
    "logout": (ApiClient.log_out, 20, 41),
}
"""What is called, and how many files and crossings it takes at most."""


def files_entered(call: Callable[[], Any]) -> list[str]:
    """Return the files of the package that ``call`` enters, one after the other."""
    entered: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:  # pragma: no cover # a tracer
        name = frame.f_code.co_filename
        is_ours = name.startswith(ROOT) and "/openapi/" not in name  # the client of the tests asks
        if event == "call" and is_ours and entered[-1:] != [name]:
            entered.append(name)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return [name.removeprefix(ROOT) for name in entered]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", JOURNEYS)
@override_settings(MIDDLEWARE=OURS)
def test_a_reader_follows_a_request_through_few_files(name: str, alice: User) -> None:
    call, files, crossings = JOURNEYS[name]
    browser = ApiClient()
    browser.log_in()
    if name == "login":  # as the second one of a known device
        browser.log_out()
    browser.get(AUTH + "csrf/")

    way = files_entered(lambda: call(browser))

    assert len(set(way)) <= files, sorted(set(way))
    assert len(way) <= crossings, " > ".join(way)
