"""Names of user agents that a person recognises, from the header of the browser."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.utils.translation import gettext as _

# The library of the extra "user-agents", which may not be installed.
parse: Callable[[str], Any] | None = (
    import_module("ua_parser").parse if find_spec("ua_parser") else None
)


BROWSERS = frozenset(
    {
        "Brave",
        "Chrome",
        "Chrome Mobile",
        "Chrome Mobile WebView",
        "Chrome Mobile iOS",
        "Chromium",
        "DuckDuckGo Mobile",
        "Edge",
        "Edge Mobile",
        "Firefox",
        "Firefox Mobile",
        "Firefox iOS",
        "IE",
        "Mobile Safari",
        "Opera",
        "Opera Mobile",
        "Safari",
        "Samsung Internet",
        "Vivaldi",
        "Yandex Browser",
    }
)
SYSTEMS = frozenset(
    {
        "Android",
        "Chrome OS",
        "Debian",
        "Fedora",
        "FreeBSD",
        "Linux",
        "Mac OS X",
        "Ubuntu",
        "Windows",
        "iOS",
    }
)


def known_name(user_agent: str) -> str:
    """Return a name such as "Firefox on Windows", made of words in this module, or "".

    For an unknown user agent, the library returns text out of it, which anybody can write: for
    example "Confirm at evil.example bot".
    """
    if parse is None:
        return ""
    result = parse(user_agent)
    parts = ((result.user_agent, BROWSERS), (result.os, SYSTEMS))
    names = [part.family for part, words in parts if part is not None and part.family in words]
    return _joined(names)


def user_agent_name(user_agent: str) -> str:
    """Return a name such as "Firefox on Windows", or what there is of one.

    This needs the extra ``django-session-auth[user-agents]``. Without it, or for an unknown user
    agent, the user agent is returned as it is.
    """
    return user_agent if parse is None else _joined(_names(parse, user_agent)) or user_agent


def _joined(names: Sequence[str]) -> str:
    """Return the name of the browser, the system, or both, in the language of the reader."""
    if len(names) < 2:
        return "".join(names)
    return _("%(browser)s on %(system)s") % {"browser": names[0], "system": names[1]}


@lru_cache(maxsize=1024)  # to parse one takes milliseconds, and in a list many are the same
def _names(parse: Callable[[str], Any], user_agent: str) -> tuple[str, ...]:
    result = parse(user_agent)
    return tuple(part.family for part in (result.user_agent, result.os) if part is not None)
