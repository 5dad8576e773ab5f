"""What a front end does with second factors."""

import base64
import time
from typing import Any

from django.contrib.auth.models import User

from session_auth.factors import totp
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.factors.authenticator import Authenticator
from tests.logged import secrets as logged_secrets

STEP = totp.STEP_SECONDS


def begin_app(browser: ApiClient) -> bytes:
    """Begin to set up an authenticator app; return its secret."""
    response = browser.call("POST", AUTH + "factors/totp/")
    assert response.status_code == 200, response.content
    logged_secrets.add(response.json()["secret"])
    return from_base32(response.json()["secret"])


def from_base32(text: str) -> bytes:
    return base64.b32decode(text + "=" * (-len(text) % 8))


def confirm_app(browser: ApiClient, code: str) -> Any:
    return browser.call("POST", AUTH + "factors/totp/confirm/", {"code": code})


def code_of(secret: bytes, *, steps: int = 0) -> str:
    """Return the code that the app shows now, or some steps from now.

    One that is over is good for two seconds at least: if need be, this waits for a new step.
    """
    left = STEP - time.time() % STEP
    if steps < 0 and left < 2:  # pragma: no cover # by chance
        time.sleep(left)
    return totp.code_at(secret, totp.current_step() + steps)


def set_up_app(browser: ApiClient) -> bytes:
    """Set up an authenticator app with the code of a step that is over: the next are unused."""
    secret = begin_app(browser)
    response = confirm_app(browser, code_of(secret, steps=-1))
    assert response.status_code == 201, response.content
    return secret


def make_codes(browser: ApiClient) -> list[str]:
    response = browser.call("POST", AUTH + "factors/recovery-codes/")
    assert response.status_code == 201, response.content
    codes: list[str] = response.json()["recovery_codes"]
    logged_secrets.update(codes)
    return codes


def register(browser: ApiClient, authenticator: Authenticator, name: str = "Laptop") -> Any:
    """Make a passkey; return the answer to its registration."""
    options = browser.call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]
    body = {"credential": authenticator.create(options), "name": name}
    return browser.call("POST", AUTH + "factors/passkeys/", body)


def options_for(browser: ApiClient, purpose: str = "login", **more: str) -> Any:
    response = browser.call("POST", AUTH + "passkeys/options/", {"purpose": purpose, **more})
    assert response.status_code == 200, response.content
    return response.json()["publicKey"]


def log_in_with(credential: object, browser: ApiClient | None = None) -> Any:
    return (browser or ApiClient()).call(
        "POST", AUTH + "login/passkey/", {"credential": credential}
    )


def log_in_by_passkey(browser: ApiClient, authenticator: Authenticator) -> Any:
    return log_in_with(authenticator.get(options_for(browser)), browser)


def second_factor(browser: ApiClient, method: str, **answer: object) -> Any:
    return browser.call("POST", AUTH + "login/second-factor/", {"method": method, **answer})


def user_with_app(username: str = "alice") -> tuple[User, bytes]:
    """Make a user with an authenticator app."""
    user = User.objects.create_user(username, f"{username}@example.org", PASSWORD)
    return user, set_up_app(signed_in(username))


def half_way(username: str = "alice", **defaults: Any) -> ApiClient:
    """Return a browser in which the password was right, and the second factor is due."""
    browser = ApiClient(**defaults)
    response = browser.log_in(username)
    assert response.json()["code"] == "second_factor_required", response.content
    return browser


def told(response: Any) -> tuple[int, str | None]:
    """Return the status and the code of an answer."""
    return response.status_code, response.json().get("code")
