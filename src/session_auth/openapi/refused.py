"""What each call may be refused with: the codes, and the answers that tell of them."""

from http import HTTPStatus
from typing import NamedTuple

from django.conf import settings

from session_auth import exceptions
from session_auth.exceptions import (
    CsrfFailed,
    HttpsRequired,
    InvalidCredentials,
    InvalidRequest,
    MalformedJSON,
    NotAuthenticated,
    PayloadTooLarge,
    PermissionDenied,
    ReauthenticationRequired,
    SessionAuthError,
    SessionEnded,
    StageRequired,
    StoreUnavailable,
    Throttled,
    UnsupportedMediaType,
    UserChanged,
)
from session_auth.http import FormView, JSONView
from session_auth.openapi import headers
from session_auth.openapi.schemas import TEXT, Schema
from session_auth.operations import Caller, Operation
from session_auth.stages import get_stages

ANY_CALL = (CsrfFailed, InvalidRequest, StoreUnavailable, UnsupportedMediaType, UserChanged)
"""What any call may be refused with: by the middleware, or before the view looks at it."""

WITH_BODY = (MalformedJSON, PayloadTooLarge)
OF_CALLER: dict[Caller, tuple[type[SessionAuthError], ...]] = {
    Caller.ANYBODY: (SessionEnded,),
    Caller.ANYBODY_KNOWN: (SessionEnded,),
    Caller.USER: (NotAuthenticated, SessionEnded),
    Caller.RECENT: (NotAuthenticated, SessionEnded, ReauthenticationRequired),
}
OF_STAGES = (InvalidCredentials, PermissionDenied, Throttled)
"""What a stage of a login may raise, beside what it names itself."""

MESSAGES = {"type": "object", "additionalProperties": {"type": "array", "items": TEXT}}


class Refused(NamedTuple):
    """The answers of one status: what they tell of, and their codes; open if there may be more."""

    status: int
    classes: tuple[type[SessionAuthError], ...]
    codes: tuple[str, ...]
    is_open: bool = False


def refusals_of(view: JSONView, method: str) -> list[Refused]:
    """Return what a call of ``view`` may be refused with, each status once."""
    operation = view.operations[method]
    classes: list[type[SessionAuthError]] = [*ANY_CALL, *OF_CALLER[operation.caller]]
    classes += operation.refusals
    if operation.body is not None or _has_form(view, method):
        classes += WITH_BODY
    if settings.SECURE_SSL_REDIRECT:
        classes.append(HttpsRequired)
    stages = get_stages() if _has_stages(view, operation) else ()
    if stages:
        classes += [*OF_STAGES, *(each for stage in stages for each in stage.refusals)]
    own = _form_codes(view, method)
    found = []
    for status in sorted({each.status for each in classes}):
        here = tuple(dict.fromkeys(each for each in classes if each.status == status))
        codes = {each.code for each in here if each is not StageRequired}
        if StageRequired in here:
            codes |= {stage.code for stage in stages}
        if status == InvalidRequest.status:
            codes |= set(own or ())
        is_open = status == InvalidRequest.status and own is None
        found.append(Refused(status, here, tuple(sorted(codes)), is_open))
    return found


def _has_form(view: JSONView, method: str) -> bool:
    return isinstance(view, FormView) and method == "post" and view.operations[method].body is None


def all_codes() -> list[str]:
    """Return the code of each refusal of the package, and of each stage of the settings."""
    found = {vars(each).get("code") for each in vars(exceptions).values() if isinstance(each, type)}
    return sorted({str(code) for code in found if code} | {stage.code for stage in get_stages()})


def _has_stages(view: JSONView, operation: Operation) -> bool:
    """Say whether a stage of a login is asked in this call."""
    return StageRequired in operation.refusals or (
        isinstance(view, FormView) and any(values for _, values in view.get_bodies())
    )


def _form_codes(view: JSONView, method: str) -> list[str] | None:
    """Return the codes that the forms have of their own; ``None`` if that cannot be known.

    They are the keys of ``error_messages``, as in Django's forms. A form of the project's that has
    none may still raise a ``ValidationError`` with any code.
    """
    found: list[str] = []
    forms = view.get_bodies() if isinstance(view, FormView) and _has_form(view, method) else ()
    for form_class, _ in forms:
        ours = [cls for cls in form_class.__mro__ if not _is_known(cls)]
        keys = [key for cls in ours for key in vars(cls).get("error_messages", ())]
        inherited = {
            key
            for cls in form_class.__mro__
            if _is_known(cls)
            for key in vars(cls).get("error_messages", ())
        }
        own = [key for key in keys if key not in inherited]
        if ours and not own:
            return None
        found += own
    return found


def _is_known(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in {"builtins", "django", "session_auth"}


def told(refused: Refused, components: dict[str, Schema]) -> Schema:
    """Return the answer for ``refused``; what many calls share stands in ``components``."""
    [*others, cls] = refused.classes
    if others or refused.is_open or refused.codes != (cls.code,):
        return answer(refused)
    components[cls.__name__] = answer(refused)
    return {"$ref": f"#/components/responses/{cls.__name__}"}


def answer(refused: Refused) -> Schema:
    classes = set(refused.classes)
    code = TEXT if refused.is_open else {**TEXT, "enum": list(refused.codes)}
    properties: dict[str, Schema] = {"error": TEXT, "code": code, "hint": TEXT}
    if InvalidRequest in classes:
        properties["fields"] = MESSAGES
    if {ReauthenticationRequired, StageRequired} & classes:
        properties["methods"] = {"type": "array", "items": TEXT}
    if StageRequired in classes:
        properties["expires_at"] = {**TEXT, "format": "date-time"}
    schema = {"type": "object", "properties": properties, "required": ["error", "code"]}
    [*others, cls] = refused.classes
    why = "" if others else " " + " ".join((cls.__doc__ or "").split("\n\n")[0].split())
    codes = ", ".join(refused.codes)
    return {
        "description": f"{_phrase_of(refused.status)}: {codes}.{why}".replace("``", "`"),
        "headers": headers.of_refusal(refused.status, refused.classes),
        "content": {"application/json": {"schema": schema}},
    }


def _phrase_of(status: int) -> str:
    """Return the phrase of RFC 9110, which Python has from 3.13 on."""
    phrase = HTTPStatus(status).phrase
    return phrase.replace("Request Entity Too Large", "Content Too Large")
