"""How Schemathesis signs in to the demo: for scripts/fuzz_api.py."""

import json
import os
from http.cookies import SimpleCookie
from typing import Any
from urllib.request import Request, urlopen

import schemathesis

ORIGIN = os.environ["DEMO_ORIGIN"]
ALICE = {"username": "alice", "password": "demo-only-password"}
KEPT: dict[str, str] = {}
"""The cookies of the session that is signed in; none when it may have ended."""


def _call(method: str, name: str, body: object = None) -> None:
    headers = {
        "Content-Type": "application/json",
        "Cookie": "; ".join(f"{name}={value}" for name, value in KEPT.items()),
        "Origin": ORIGIN,
        "X-CSRFToken": KEPT.get("csrftoken", ""),
    }
    data = None if body is None else json.dumps(body).encode()
    url = f"{ORIGIN}/api/auth/{name}"
    request = Request(url, data, headers, method=method)  # noqa: S310 # the demo
    with urlopen(request) as response:  # noqa: S310 # the demo
        for header in response.headers.get_all("Set-Cookie", ()):
            KEPT.update({name: each.value for name, each in SimpleCookie(header).items()})


@schemathesis.auth(refresh_interval=None)
class Session:
    """The cookies of a session, and the token that goes with them."""

    def get(self, case: Any, context: Any) -> dict[str, str]:
        if not KEPT:
            _call("GET", "csrf/")
            _call("POST", "login/", ALICE)
        return dict(KEPT)

    def set(self, case: Any, data: dict[str, str], context: Any) -> None:
        case.cookies = {**(case.cookies or {}), **data}
        case.headers = {**(case.headers or {}), "X-CSRFToken": data["csrftoken"]}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Leave out whom the client shows: whatever is made up there is another user than ours."""
    (case.headers or {}).pop("Session-User", None)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Sign in again after whatever may have ended the session, or given it another key."""
    if response.status_code == 401 or "sessionid=" in str(response.headers.get("set-cookie", "")):
        KEPT.clear()
