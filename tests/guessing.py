"""What the tests of guessing share: a network to call from, and a count of the hashes computed."""

from typing import Any

from django.contrib.auth.hashers import MD5PasswordHasher

from session_auth.guessing.devices import cookie_name
from session_auth.models import GuessCount
from tests.api_client import AUTH, ApiClient

HOME, ELSEWHERE = "9.9.9.9", "8.8.8.8"
hashed: list[str] = []


class CountingHasher(MD5PasswordHasher):
    """Notes each hash that is computed, in ``hashed``."""

    def encode(self, password: str, salt: str) -> str:
        hashed.append(password)
        return super().encode(password, salt)


COUNTING = [f"{__name__}.CountingHasher"]


def caller(ip: str = HOME) -> ApiClient:
    return ApiClient(REMOTE_ADDR=ip)


def guess(browser: ApiClient, times: int, username: str = "alice") -> list[int]:
    """Send wrong passwords, and return the status of each answer."""
    return [browser.log_in(username, f"wrong-{n}").status_code for n in range(times)]


def retry_after(response: Any) -> int:
    assert response.status_code == 429
    return int(response.headers["Retry-After"])


def reauthenticate(browser: ApiClient, password: str) -> Any:
    return browser.call("POST", AUTH + "reauthenticate/", {"password": password})


def failures() -> list[int]:
    """Return the failures in a row of the account, of the name, and of the address if any."""
    return sorted(GuessCount.objects.values_list("failures", flat=True))


def device_cookie(browser: ApiClient) -> str:
    cookie = browser.cookies.get(cookie_name())
    return cookie.value if cookie else ""
