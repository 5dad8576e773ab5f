"""What was tried from outside: flaws of others, and ways round the stages of a login.

docs/flaws.toml names the published ones, and what each test fails on.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.test import override_settings

from session_auth.factors.models import Factor
from session_auth.models import LoginAttempt, Session
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.clock import NOON
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    code_of,
    from_base32,
    half_way,
    log_in_by_passkey,
    make_codes,
    options_for,
    register,
    second_factor,
    set_up_app,
    told,
    user_with_app,
)
from tests.factors.test_required import STAGES as BOTH

pytestmark = pytest.mark.django_db

WITH_TERMS = override_settings(
    SESSION_AUTH_STAGES=["session_auth.factors.stages.SecondFactor", "tests.stages.Terms"]
)
COOKIES = [
    *("csrftoken", "sessionid", "sessionid_login"),
    *("sessionid_challenge", "sessionid_device", "sessionid_trust"),
]


@contextmanager
def terms_are_due() -> Iterator[None]:
    """Let the next logins end at the terms, which are due for those with such an address."""
    User.objects.update(email="unread@example.org")
    yield
    User.objects.update(email="alice@example.org")


def accept(browser: ApiClient) -> Any:
    return second_factor(browser, "terms", accept=True)


# Tokens of one kind as those of another


def test_no_secret_opens_what_another_one_does(clock: Any, db: None) -> None:
    """CVE-2026-110862, CVE-2026-114607: each cookie in the place of each other one."""
    _, secret = user_with_app()
    inside, begun = half_way(), half_way()
    second_factor(inside, "totp", code=code_of(secret), trust=True)
    options_for(begun, "stage")
    values = {
        name: (begun if name in begun.cookies else inside).cookies[name].value for name in COOKIES
    }

    for name in COOKIES:
        for other in COOKIES[1:]:
            thief = ApiClient()
            if name != other:
                thief.cookies[other] = values[name]
            assert thief.user() is None, (name, other)
            assert told(second_factor(thief, "totp", code="1"))[1] == "login_expired"
            assert told(thief.log_in()) == (401, "second_factor_required"), (name, other)


def test_a_code_that_has_logged_in_proves_nothing_again(clock: Any, db: None) -> None:
    """CVE-2026-82470: at another door, too."""
    _, secret = user_with_app()
    browser = half_way()
    second_factor(browser, "totp", code=code_of(secret))

    again = {"method": "totp", "code": code_of(secret)}

    assert told(browser.call("POST", AUTH + "reauthenticate/", again)) == (
        401,
        "invalid_credentials",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"verifies": False},
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"handle": "AAAA"},
        {"more": {"crossOrigin": True}},
        {"more": {"topOrigin": "https://evil.example"}},
        {"more": {"type": "webauthn.create"}},
        {"key": Authenticator().key},
    ],
    ids=lambda wrong: "-".join(wrong.get("more", wrong)),
)
@pytest.mark.parametrize("door", ["login/second-factor/", "reauthenticate/"])
def test_a_second_factor_that_does_not_verify_is_none(
    alice: User, wrong: dict[str, Any], door: str
) -> None:
    """CVE-2026-134320: where the user is known, too."""
    browser, passkey = signed_in(), Authenticator()
    register(browser, passkey)
    if door == "login/second-factor/":
        browser = half_way()
    vars(passkey).update(wrong)
    credential = passkey.get(options_for(browser, "proof"))

    response = browser.call("POST", AUTH + door, {"method": "passkey", "credential": credential})

    assert told(response) == (401, "invalid_credentials")


# The half-way state


@WITH_TERMS
def test_no_browser_is_trusted_before_the_last_stage(clock: Any, db: None) -> None:
    """CVE-2026-109313"""
    _, secret = user_with_app()
    with terms_are_due():
        browser = half_way()
        response = second_factor(browser, "totp", code=code_of(secret), trust=True)

    assert told(response) == (401, "terms_required")
    assert not {"sessionid", "sessionid_device", "sessionid_trust"} & set(response.cookies)
    assert "sessionid_trust" in accept(browser).cookies


@WITH_TERMS
def test_a_browser_is_known_whatever_the_last_stage_asks(clock: Any, alice: User) -> None:
    """So wrong passwords elsewhere lock nobody out of it."""
    browser = ApiClient()
    for _ in range(2):
        with terms_are_due():
            browser.log_in()
        accept(browser)
        browser.log_out()
    for number in range(6):
        ApiClient().log_in(password=f"wrong {number}")

    assert told(ApiClient().log_in()) == (429, "throttled")
    assert browser.log_in().status_code == 200


def test_nothing_that_was_planted_before_the_login_outlives_the_stages(
    clock: Any, db: None
) -> None:
    """Session fixation."""
    _, secret = user_with_app()
    browser, thief = ApiClient(), ApiClient()
    planted = browser.session
    planted["cart"] = "of a thief"
    planted.save()
    for each in (browser, thief):
        each.cookies["sessionid"] = str(planted.session_key)

    browser.log_in()
    second_factor(browser, "totp", code=code_of(secret))

    assert browser.user()["username"] == "alice"
    assert "cart" not in browser.session
    assert thief.user() is None


def test_a_logout_ends_a_login_that_is_not_complete(clock: Any, db: None) -> None:
    _, secret = user_with_app()
    browser = half_way()
    cookie = browser.cookies["sessionid_login"].value

    browser.log_out()

    assert browser.cookies["sessionid_login"].value == ""
    browser.cookies["sessionid_login"] = cookie
    assert told(second_factor(browser, "totp", code=code_of(secret))) == (401, "login_expired")


def test_the_end_of_all_other_sessions_ends_logins_elsewhere(clock: Any, db: None) -> None:
    _, secret = user_with_app()
    thief, owner = half_way(), half_way()
    second_factor(owner, "totp", code=code_of(secret))

    owner.call("DELETE", AUTH + "sessions/")

    response = second_factor(thief, "totp", code=code_of(secret, steps=1))
    assert told(response) == (401, "login_expired")
    assert owner.user()["username"] == "alice"


def test_a_login_that_was_refused_to_an_inactive_user_stays_refused(clock: Any, db: None) -> None:
    """Though no signal tells of ``QuerySet.update()``."""
    _, secret = user_with_app()
    browser = half_way()
    code = code_of(secret)
    User.objects.update(is_active=False)
    inactive = second_factor(browser, "totp", code=code)
    User.objects.update(is_active=True)

    assert told(inactive) == (401, "login_expired")
    assert told(second_factor(browser, "totp", code=code)) == (401, "login_expired")


def test_who_is_logged_in_is_in_nobodys_way(alice: User, bob: User) -> None:
    """The options are for the login, whoever else is logged in in this browser."""
    of_alice, of_bob = Authenticator(), Authenticator()
    browser = signed_in()
    register(browser, of_alice)
    register(signed_in("bob"), of_bob)
    browser.log_in("bob")

    proof = {"method": "passkey", "credential": of_alice.get(options_for(browser, "proof"))}
    assert browser.call("POST", AUTH + "reauthenticate/", proof).status_code == 200

    credential = of_bob.get(options_for(browser, "stage"))
    assert second_factor(browser, "passkey", credential=credential).status_code == 200
    assert browser.user()["username"] == "bob"


def test_options_for_a_stage_need_a_login_that_is_not_complete(alice: User) -> None:
    browser = signed_in()

    response = browser.call("POST", AUTH + "passkeys/options/", {"purpose": "stage"})

    assert told(response) == (401, "login_expired")


# Factors that are removed meanwhile


def by_app() -> tuple[ApiClient, ApiClient, str]:
    """Return a login that stands at the terms, the owner of the account, and what to call."""
    _, secret = user_with_app()
    with terms_are_due():
        thief = half_way()
        second_factor(thief, "totp", code=code_of(secret))
    owner = half_way()
    second_factor(owner, "totp", code=code_of(secret, steps=1))
    return thief, owner, "factors/totp/"


def by_passkey() -> tuple[ApiClient, ApiClient, str]:
    User.objects.create_user("alice", "alice@example.org", PASSWORD)
    owner, passkey, thief = signed_in(), Authenticator(), ApiClient()
    made = register(owner, passkey).json()["passkey"]["id"]
    with terms_are_due():
        log_in_by_passkey(thief, passkey)
    return thief, owner, f"factors/passkeys/{made}/"


def remove(owner: ApiClient, path: str) -> None:
    assert owner.call("DELETE", AUTH + path).status_code in (200, 204)


def replace(owner: ApiClient, path: str) -> None:
    set_up_app(owner)


@WITH_TERMS
@pytest.mark.parametrize(
    ("begin", "change"),
    [(by_app, remove), (by_app, replace), (by_passkey, remove)],
    ids=["app", "new app", "passkey"],
)
def test_a_removed_factor_ends_the_logins_in_which_it_was_proven(
    clock: Any,
    db: None,
    begin: Callable[[], tuple[ApiClient, ApiClient, str]],
    change: Callable[[ApiClient, str], None],
) -> None:
    thief, owner, path = begin()
    assert LoginAttempt.objects.count() == 1

    change(owner, path)

    assert told(accept(thief)) == (401, "login_expired")


@WITH_TERMS
def test_a_login_that_has_proven_something_else_goes_on(clock: Any, alice: User) -> None:
    owner = signed_in()
    set_up_app(owner)
    code = make_codes(owner)[0]
    with terms_are_due():
        browser = half_way()
        second_factor(browser, "recovery", code=code)

    owner.call("DELETE", AUTH + "factors/totp/")

    assert accept(browser).status_code == 200


@pytest.mark.parametrize("way", ["app", "passkey"])
def test_a_factor_that_is_removed_while_it_logs_in_opens_nothing(
    clock: Any, db: None, way: str
) -> None:
    """It was right when it was checked, and gone when the session was stored."""
    _, secret = user_with_app()
    owner, passkey = half_way(), Authenticator()
    second_factor(owner, "totp", code=code_of(secret))
    made = register(owner, passkey).json()["passkey"]["id"]
    browser = half_way()

    def remove_it(**kwargs: Any) -> None:
        user_logged_in.disconnect(remove_it)
        remove(owner, "factors/totp/" if way == "app" else f"factors/passkeys/{made}/")

    user_logged_in.connect(remove_it)
    if way == "app":
        second_factor(browser, "totp", code=code_of(secret, steps=1))
    else:
        log_in_by_passkey(browser, passkey)

    assert not user_logged_in.disconnect(remove_it)  # it was called
    assert browser.user() is None
    assert owner.user() is not None


def needs_one_and_sets_it_up_just_then(user: Any) -> Any:
    """Be asked after ``SecondFactor``, and before ``SetUpFactor`` looks for a factor."""
    Factor.objects.create(id="x" * 43, user_id=user.pk, kind="passkey", created_at=NOON)
    return NOON


@override_settings(
    SESSION_AUTH_STAGES=BOTH,
    SESSION_AUTH_REQUIRE_FACTOR=f"{__name__}.needs_one_and_sets_it_up_just_then",
)
def test_a_factor_that_is_set_up_between_two_stages_lets_nobody_past_both(
    clock: Any, alice: User
) -> None:
    browser = ApiClient()

    assert browser.log_in().status_code == 401
    assert browser.user() is None


# The page for the admin


PAGES: Any = {"HTTP_ACCEPT": "text/html"}


def log_in_to_admin(browser: ApiClient) -> Any:
    """Return the page for the next stage."""
    browser.get("/admin/login/")
    body = {"username": "alice", "password": PASSWORD, "next": "/admin/"}
    token = {"csrfmiddlewaretoken": browser.csrf_token()}
    return browser.get(browser.post("/admin/login/", body | token, **PAGES).headers["Location"])


@pytest.fixture
def must_have_one(clock: Any, alice: User) -> Iterator[None]:
    """Alice is one of the staff, and must have had a second factor since yesterday."""
    User.objects.update(is_staff=True, is_superuser=True)
    clock.move_to(NOON + timedelta(days=15))
    with override_settings(
        SESSION_AUTH_STAGES=BOTH,
        SESSION_AUTH_REQUIRE_FACTOR="tests.factors.test_required.staff_need_one",
    ):
        yield


def secret_on(page: Any) -> bytes:
    [found] = re.findall(r"<code>([A-Z2-7]{32})</code>", page.text)
    return from_base32(found)


def test_the_page_for_the_admin_shows_what_an_app_needs(must_have_one: None) -> None:
    browser = ApiClient()
    path = f"{log_in_to_admin(browser).request['PATH_INFO']}?next=/admin/&method=totp_setup"

    page = browser.get(path)
    assert 'aria-label="QR code"' in page.text
    assert page.text.count('class="qrline"') == 1
    assert 'href="otpauth://totp/Example%3Aalice?secret=' in page.text
    assert browser.get("/admin/").status_code == 302

    token = {"csrfmiddlewaretoken": browser.csrf_token()}
    wrong = browser.post(path, {"code": "000000"} | token, **PAGES)
    assert (wrong.status_code, secret_on(wrong)) == (401, secret_on(page))  # as the app has read it

    right = browser.post(path, {"code": code_of(secret_on(page))} | token, **PAGES)
    assert (right.status_code, right.headers["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200
    assert Factor.objects.get().kind == "totp"


def test_the_page_shows_the_secret_to_this_browser_alone(must_have_one: None) -> None:
    mine, other = ApiClient(), ApiClient()

    shown = [
        secret_on(browser.get(log_in_to_admin(browser).request["PATH_INFO"] + "?method=totp_setup"))
        for browser in (mine, other)
    ]

    assert shown[0] != shown[1]
    assert Session.objects.count() == 0
