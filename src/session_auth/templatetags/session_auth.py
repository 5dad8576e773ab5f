"""``{% load session_auth %}``: the JavaScript client in a template."""

import json
from base64 import b64encode
from functools import lru_cache
from hashlib import sha384
from pathlib import Path

from django.contrib.staticfiles import finders
from django.core.exceptions import ImproperlyConfigured
from django.forms.utils import flatatt
from django.template import Context, Library
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

__all__ = ["session_auth_client"]

register = Library()

MODULE = "session_auth/session-auth.js"
NAME = "django-session-auth"
"""The name by which scripts import the client: that of its npm package."""

IN_A_SCRIPT = {ord(character): f"\\u{ord(character):04X}" for character in "<>&"}
"""Characters that HTML would interpret, as JSON can write them instead."""


@register.simple_tag(takes_context=True)
def session_auth_client(context: Context, *, integrity: bool = False) -> SafeString:
    """Let the page's scripts import the client by its name, and load it early.

    Put it above all other module scripts. It has the nonce of the page's Content Security Policy,
    if there is one: Django's or that of django-csp. With ``integrity=True``, the browser refuses
    any file but the one that the finders of static files find on the server.
    """
    url = static(MODULE)
    nonce = _nonce(context)
    import_map = json.dumps({"imports": {NAME: url}}).translate(IN_A_SCRIPT)
    return format_html(
        "<script{}>{}</script>\n<script{}></script>",
        flatatt({"type": "importmap", "nonce": nonce}),
        mark_safe(import_map),  # noqa: S308 # its characters for HTML are escaped above
        flatatt(
            {
                "type": "module",
                "src": url,
                "nonce": nonce,
                "integrity": _integrity(_path()) if integrity else None,
            }
        ),
    )


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
