"""The calls of the password endpoints, as a front end makes them."""

from typing import Any

from django.core import mail
from django.test import override_settings

from tests.api_client import AUTH, PASSWORD, ApiClient

NEW = "an even better horse"
OLD_AND_NEW = {"old_password": PASSWORD, "new_password": NEW}
VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
with_links = override_settings(
    SESSION_AUTH_PASSWORD_RESET_URL="https://www.example.org/#/new-password/{uid}/{token}"
)


def change(browser: ApiClient, **body: object) -> Any:
    return browser.call("POST", AUTH + "password/change/", OLD_AND_NEW | body)


def ask(browser: ApiClient, email: str = "alice@example.org", **extra: Any) -> Any:
    return browser.call("POST", AUTH + "password/reset/", {"email": email}, **extra)


def confirm(browser: ApiClient, link: dict[str, str], new_password: str = NEW) -> Any:
    body = link | {"new_password": new_password}
    return browser.call("POST", AUTH + "password/reset/confirm/", body)


def check(browser: ApiClient, link: dict[str, str]) -> Any:
    return browser.call("POST", AUTH + "password/reset/check/", link)


def link_for(email: str = "alice@example.org") -> dict[str, str]:
    """Return what is in the link of a mail that was just asked for."""
    with with_links:
        ask(ApiClient(), email)
    [url] = [line for line in mail.outbox.pop().body.splitlines() if line.startswith("https://")]
    _, uid, token = url.rsplit("/", 2)
    return {"uid": uid, "token": token}


def can_log_in(password: str) -> bool:
    return bool(ApiClient().log_in(password=password).status_code == 200)
