"""What is public of the factors is there."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.http import HttpResponse
from django.test import RequestFactory

from session_auth.exceptions import InvalidCredentials, InvalidRequest
from session_auth.factors import proofs, trust, urls
from session_auth.factors.apps import import_kinds
from session_auth.factors.mail import send_notice
from session_auth.factors.models import Challenge, Factor, UserHandle
from tests.clock import NOON
from tests.test_public_api import PUBLIC, names_are_there


@pytest.mark.parametrize("module", [name for name in PUBLIC if ".factors" in name])
def test_what_is_public_is_there_and_has_types_that_can_be_read(module: str) -> None:
    names_are_there(module, PUBLIC[module])


def test_without_an_extra_its_endpoints_are_not_there() -> None:
    import_kinds({"nothing": "no_such_package"})

    assert urls._patterns("nothing", needs="no_such_package") == []


def test_without_an_extra_its_answers_are_refused(alice: User) -> None:
    with pytest.raises(InvalidRequest):
        proofs.check(RequestFactory().post("/"), alice, method="sms", answer={"code": "1"})


def test_a_code_for_an_app_that_was_removed_meanwhile_is_wrong(alice: User) -> None:
    with pytest.raises(InvalidCredentials):
        proofs.check(RequestFactory().post("/"), alice, method="totp", answer={"code": "123456"})


def test_a_browser_that_is_no_known_device_cannot_be_trusted(alice: User) -> None:
    response = HttpResponse()

    trust.trust(RequestFactory().post("/"), response, alice, [])

    assert not response.cookies


def test_who_was_deleted_meanwhile_gets_no_mail(db: None) -> None:
    send_notice(NOON, user_id=1, to="alice@example.org", user_agent="", change="added")

    assert mail.outbox == []


@pytest.mark.parametrize("make", [lambda: Factor(id="x"), lambda: Challenge(id="x")])
def test_a_row_is_called_by_its_id(make: Callable[[], object]) -> None:
    assert str(make()) == "x"
    assert str(UserHandle(handle="h")) == "h"
