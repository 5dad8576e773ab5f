"""A stage as a hook: it sees each login with what is known of it, asks for more, or refuses."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied as DjangosPermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client

from session_auth import attempts, throttling
from session_auth.client_info import client_info
from session_auth.exceptions import PermissionDenied
from session_auth.models import LoginAttempt, Session
from session_auth.stages import Method, Proof, Stage
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.stages import NEXT, PIN, TermsForm

pytestmark = pytest.mark.django_db

ENEMY, HOME = "203.0.113.66", "127.0.0.1"
REFUSALS: Mapping[str, Exception] = {
    ENEMY: PermissionDenied("Not from this network."),
    "203.0.113.67": DjangosPermissionDenied("Not from this network."),
    "203.0.113.68": RuntimeError("The hook is broken."),
}


class Watch(Stage):
    """Refuses some addresses, asks more of strange browsers, and tells of them."""

    code = "confirmation_required"
    methods: ClassVar[Mapping[str, Method]] = {"confirm": Method(form_class=TermsForm)}
    seen: ClassVar[list[tuple[str, str, bool, set[str]]]] = []
    told: ClassVar[list[tuple[str, bool, int]]] = []

    def is_due(self, user: Any, request: HttpRequest) -> bool:
        ip = client_info(request.META).ip or ""
        is_known = throttling.is_known_device(request, user)
        self.seen.append((user.username, ip, is_known, set(attempts.proven(request))))
        if ip in REFUSALS:
            raise REFUSALS[ip]
        return not is_known

    def verify(self, user: Any, request: HttpRequest, proof: Proof) -> None:
        """The form has seen to it."""

    def completed(self, user: Any, request: HttpRequest, *, notes: Mapping[str, Any]) -> None:
        is_known = throttling.is_known_device(request, user)

        def tell(response: HttpResponse) -> None:
            self.told.append((user.username, is_known, Session.objects.filter(user=user).count()))

        attempts.on_answer(request, tell)


@pytest.fixture(autouse=True)
def hook(settings: Any) -> None:
    settings.SESSION_AUTH_STAGES = ["tests.stages.SecondFactor", "tests.test_login_hooks.Watch"]
    Watch.seen.clear()
    Watch.told.clear()


def log_in(browser: ApiClient, ip: str = HOME, **more: Any) -> Any:
    body = {"username": "alice", "password": PASSWORD}
    return browser.call("POST", AUTH + "login/", body, REMOTE_ADDR=ip, **more)


def confirm(browser: ApiClient, ip: str = HOME) -> Any:
    return browser.call("POST", NEXT, {"method": "confirm", "accept": True}, REMOTE_ADDR=ip)


def test_it_asks_more_of_a_browser_that_is_not_known(alice: User, browser: ApiClient) -> None:
    first = log_in(browser)
    assert (first.status_code, first.json()["code"]) == (401, "confirmation_required")
    assert Watch.told == []

    assert confirm(browser).status_code == 200
    assert Watch.seen == [("alice", HOME, False, {"password"})] * 2
    assert Watch.told == [("alice", False, 1)]  # once, and when there is a session


def test_a_known_browser_is_let_in_until_it_is_thrown_out(
    alice: User, browser: ApiClient, settings: Any
) -> None:
    settings.SESSION_AUTH_STAGES = []
    browser.log_in()
    browser.log_out()
    settings.SESSION_AUTH_STAGES = ["tests.test_login_hooks.Watch"]

    assert log_in(browser).status_code == 200
    assert Watch.seen == [("alice", HOME, True, {"password"})]
    assert Watch.told == [("alice", True, 1)]

    throttling.throw_out_devices(alice)
    assert log_in(browser).json()["code"] == "confirmation_required"


def test_a_browser_of_somebody_else_is_not_known(alice: User, bob: User, settings: Any) -> None:
    settings.SESSION_AUTH_STAGES = []
    browser = signed_in("bob")
    settings.SESSION_AUTH_STAGES = ["tests.test_login_hooks.Watch"]

    assert log_in(browser).json()["code"] == "confirmation_required"


@pytest.mark.parametrize(
    ("ip", "status"), [(ENEMY, 403), ("203.0.113.67", 403), ("203.0.113.68", 500)]
)
def test_a_refusal_leaves_nothing_behind(
    alice: User,
    bob: User,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    ip: str,
    status: int,
) -> None:
    settings.SESSION_AUTH_STAGES = []
    browser = signed_in("bob")
    before = dict(browser.cookies.items())
    settings.SESSION_AUTH_STAGES = ["tests.test_login_hooks.Watch"]
    browser.raise_request_exception = False

    response = log_in(browser, ip)

    assert response.status_code == status
    told = [vars(record) for record in caplog.records if record.name == "session_auth.security"]
    found = [(each["user_id"], each["code"]) for each in told if each["event"] == "login_refused"]
    assert found == ([(alice.pk, "permission_denied")] if status == 403 else [])
    assert "refused" not in {each["event"] for each in told}
    if ip == ENEMY:
        assert response.json() == {"error": "Not from this network.", "code": "permission_denied"}
    assert not {"sessionid", "sessionid_login", "sessionid_device"} & set(response.cookies)
    assert dict(browser.cookies.items()) == before
    assert not Session.objects.filter(user=alice).exists()
    assert not LoginAttempt.objects.exists()
    assert browser.user()["username"] == "bob"
    assert Watch.told == []


@pytest.mark.parametrize("ip", REFUSALS)
def test_a_login_in_the_admin_is_refused_as_well(alice: User, client: Client, ip: str) -> None:
    User.objects.update(is_staff=True)
    client.raise_request_exception = False
    form = {"username": "alice", "password": PASSWORD}

    response = client.post("/admin/login/?next=/admin/", form, REMOTE_ADDR=ip)

    assert response.status_code == (500 if ip.endswith("68") else 403)
    assert client.get("/admin/").status_code == 302
    assert not Session.objects.filter(user=alice).exists()
    assert not LoginAttempt.objects.exists()


def test_it_sees_what_comes_after_the_second_factor_and_may_refuse_it(
    holder: User, browser: ApiClient
) -> None:
    log_in(browser)
    assert Watch.seen == []
    body = {"method": "pin", "code": PIN}

    refused = browser.call("POST", NEXT, body, REMOTE_ADDR=ENEMY)

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert Watch.seen == [("alice", ENEMY, False, {"password", "pin"})]
    assert browser.user() is None
    assert browser.call("POST", NEXT, body).json()["code"] == "confirmation_required"
    assert confirm(browser, ENEMY).status_code == 403  # asked once more, before the session begins
    assert browser.user() is None
    assert confirm(browser).status_code == 200
