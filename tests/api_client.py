"""A browser with a front end in it, as far as the server can see."""

import json
from collections.abc import Mapping
from typing import Any

from django.test import Client

from session_auth.keys import digest
from tests import documented, logged

PASSWORD = "correct horse battery staple"
AUTH = "/api/auth/"


class ApiClient(Client):
    """Sends JSON and the CSRF token, and keeps its cookies; the server checks the token."""

    def __init__(self, **defaults: Any) -> None:
        super().__init__(enforce_csrf_checks=True, **defaults)

    def request(self, **request: Any) -> Any:
        response = super().request(**request)
        logged.secrets.update(cookie.value for cookie in response.cookies.values() if cookie.value)
        documented.check(response)
        return response

    def call(self, method: str, path: str, body: object = None, **extra: Any) -> Any:
        """Send ``body`` as JSON, or as it is if it is bytes."""
        if not self.csrf_token():
            self.get(AUTH + "csrf/")
        extra.setdefault("CONTENT_TYPE", "application/json")
        headers = {"X-CSRFToken": self.csrf_token()} | extra.pop("headers", {})
        if body is None:
            body = b""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.generic(method, path, data, headers=headers, **extra)

    def log_in(
        self,
        username: str = "alice",
        password: str = PASSWORD,
        more: Mapping[str, object] | None = None,
    ) -> Any:
        body = {"username": username, "password": password} | dict(more or {})
        return self.call("POST", AUTH + "login/", body)

    def log_out(self) -> Any:
        return self.call("POST", AUTH + "logout/")

    def user(self) -> Any:
        return self.get(AUTH + "user/").json()["user"]

    def csrf_token(self) -> str:
        cookie = self.cookies.get("csrftoken")
        return cookie.value if cookie else ""

    def session_key(self) -> str:
        cookie = self.cookies.get("sessionid")
        return cookie.value if cookie else ""


def signed_in(username: str = "alice", user_agent: str = "", password: str = PASSWORD) -> ApiClient:
    browser = ApiClient(headers={"User-Agent": user_agent})
    browser.log_in(username, password)
    return browser


def id_of(browser: ApiClient) -> str:
    return digest(browser.session_key())
