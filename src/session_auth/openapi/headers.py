"""The headers of calls, and those of answers that clients may rely on: which has which."""

from collections.abc import Collection
from typing import Any, get_type_hints

from django.conf import settings

from session_auth import exceptions
from session_auth.exceptions import SessionAuthError
from session_auth.openapi.schemas import TEXT, Schema
from session_auth.operations import Operation, ProofAnswer

EVERYWHERE = {"Cache-Control": "CacheControl", "Vary": "Vary", "Set-Cookie": "Cookies"}
USER_NOW = {"Session-User": "SessionUser"}
OF_STATUS = {
    401: {"WWW-Authenticate": "Challenge"},
    405: {"Allow": "Allow"},
    429: {"Retry-After": "RetryAfter"},
    503: {"Retry-After": "RetryAfter"},
}


def parameters() -> dict[str, Schema]:
    """Return the headers that any call may have, for references."""
    return {
        "SessionActivity": _parameter(
            "Session-Activity",
            "`passive` for a call that is no activity of the user: the session lasts no longer.",
        ),
        "SessionUser": _parameter(
            "Session-User",
            "Whom the client shows, as `user_ref` of `GET user/`, or `none`: if somebody else is "
            "logged in by now, the call is refused with 409 `user_changed`.",
        ),
    }


def of_call() -> list[Schema]:
    """Return the references to the headers that any call may have."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in parameters()]


def of_refusal(status: int, classes: Collection[type[SessionAuthError]]) -> dict[str, Schema]:
    """Return the headers of the answer of one status that tells of ``classes``."""
    # The middleware refuses for another user before there is an answer of the view.
    by_view = {} if set(classes) == {exceptions.UserChanged} else USER_NOW
    return _refs(EVERYWHERE | by_view | OF_STATUS.get(status, {}))


def of_answer(operation: Operation) -> dict[str, Schema]:
    """Return the headers of the answer to a call that is not refused."""
    names = EVERYWHERE | USER_NOW
    if gives_new_key(operation):
        names |= {"Set-Cookie": "NewSession"}
    return _refs(names)


def gives_new_key(operation: Operation) -> bool:
    """Say whether the answer always gives the session a new key: it is a ``ProofAnswer``."""
    hints = getattr(operation.answer, "__annotations__", {})
    return set(get_type_hints(ProofAnswer)) <= set(hints)


def components() -> dict[str, Schema]:
    """Return each header once, for references."""
    key = f"the session cookie `{settings.SESSION_COOKIE_NAME}`"
    token = "" if settings.CSRF_USE_SESSIONS else f", the CSRF cookie `{settings.CSRF_COOKIE_NAME}`"
    return {
        "Allow": _header("The methods that the path has.", required=True),
        "CacheControl": _header("Nobody may keep the answer.", required=True, enum=["no-store"]),
        "Challenge": _header("`Session`: the call needs a login.", required=True),
        "Cookies": _header(
            f"One header for each cookie that is new or deleted: {key}{token}, or one that this "
            "browser is known by. A browser keeps them; any other client has to, and has to send "
            "each with later calls."
        ),
        "NewSession": _header(
            f"One header for each cookie. One of them is {key} with a new key: the key before, "
            "and its CSRF token, open nothing any more.",
            required=True,
        ),
        "RetryAfter": {
            "description": "The seconds after which the call may be made again.",
            "required": True,
            "schema": {"type": "integer", "minimum": 0},
        },
        "SessionUser": _header(
            "Only if the request had `Session-User`: who is logged in now, as `user_ref`, or "
            "`none`. It is there if nobody is logged in though the request named somebody, and "
            "if the call has logged somebody in or out."
        ),
        "Vary": _header("It names `Cookie`.", required=True, pattern=r"(^|, *)Cookie(,|$)"),
    }


def _refs(names: dict[str, str]) -> dict[str, Schema]:
    return {name: {"$ref": f"#/components/headers/{each}"} for name, each in names.items()}


def _parameter(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": TEXT}


def _header(description: str, *, required: bool = False, **more: Any) -> Schema:
    needed = {"required": True} if required else {}
    return {"description": description, **needed, "schema": {**TEXT, **more}}
