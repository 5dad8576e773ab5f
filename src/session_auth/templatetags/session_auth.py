"""``{% load session_auth %}``: the JavaScript client in a template."""

import json
from base64 import b64encode
from functools import lru_cache
from hashlib import sha384
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.forms.utils import flatatt
from django.http import HttpRequest
from django.template import Context, Library
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from session_auth.answers import JSONEncoder
from session_auth.exceptions import StoreUnavailable
from session_auth.http import describe_user
from session_auth.sessions.base import BaseSessionStore

__all__ = ["session_auth_client"]

register = Library()

MODULE = "session_auth/session-auth.js"
IN_A_SCRIPT = {ord(character): f"\\u{ord(character):04X}" for character in "<>&"}
"""Characters that HTML would interpret, as JSON can write them instead."""


@register.simple_tag(takes_context=True)
def session_auth_client(
    context: Context, *, integrity: bool = False, state: bool = True
) -> SafeString:
    """Load the client early, and let it know at once who is logged in.

    Put it above all other module scripts, which import the client by the address of its static
    file. It has the nonce of the page's Content Security Policy, if there is one: Django's or that
    of django-csp. ``state=False`` leaves out who is logged in, for a page that is the same for
    everybody. With ``integrity=True``, the browser refuses any file but the one that the finders of
    static files find on the server; an import map must then stand above the tag.
    """
    known = _state(context.get("request")) if state else None
    return format_html(
        "{}{}",
        "" if known is None else _data(known),
        _checked(context) if integrity else _early(context),
    )


def _early(context: Context) -> SafeString:
    # No module yet: Firefox takes one import map, and none once a module is being loaded. That of
    # the page may still come.
    attributes = {"rel": "preload", "as": "script", "crossorigin": "anonymous"}
    return format_html(
        "<link{}>", flatatt({**attributes, "href": static(MODULE), "nonce": _nonce(context)})
    )


def _checked(context: Context) -> SafeString:
    attributes = {"type": "module", "src": static(MODULE), "integrity": _integrity(_path())}
    return format_html("<script{}></script>", flatatt({**attributes, "nonce": _nonce(context)}))


def _data(known: dict[str, Any]) -> SafeString:
    text = json.dumps(known, cls=JSONEncoder).translate(IN_A_SCRIPT)
    return format_html(
        '<script id="session-auth" type="application/json">{}</script>\n',
        mark_safe(text),  # noqa: S308  # what HTML would read in it is escaped
    )


def _state(request: HttpRequest | None) -> dict[str, Any] | None:
    """Return what ``GET user/`` would answer, and the time; ``None`` where that cannot be known.

    In a page that an async view renders before it has awaited ``request.auser()``, say, or while
    the store is down: then the client asks.
    """
    session = getattr(request, "session", None)
    if request is None or not isinstance(session, BaseSessionStore) or not hasattr(request, "user"):
        return None
    try:
        if not request.user.is_authenticated:
            return {"user": None, "now": timezone.now()}
        session.touch()
    except (StoreUnavailable, SynchronousOnlyOperation):
        return None
    known = {"user": describe_user(request.user), "session": session.describe()}
    return {**known, "now": timezone.now()}


def _nonce(context: Context) -> str | None:
    nonce = context.get("csp_nonce")
    if nonce is None:
        nonce = getattr(context.get("request"), "csp_nonce", None)
    # Django and django-csp make the nonce when it is first used; until then, it is false.
    return None if nonce is None else str(nonce)


def _path() -> str:
    path = finders.find(MODULE)
    if path is None:
        raise ImproperlyConfigured(
            f"{MODULE} is not among the static files. Leave AppDirectoriesFinder in "
            "STATICFILES_FINDERS, or integrity out of session_auth_client."
        )
    return str(path)


@lru_cache(maxsize=1)
def _integrity(path: str) -> str:
    return "sha384-" + b64encode(sha384(Path(path).read_bytes()).digest()).decode()
