"""Names of user agents that a person recognises, from what a browser says of itself."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

# Of the extra "user-agents", which may not be installed.
parse: Callable[[str], Any] | None = (
    import_module("ua_parser").parse if find_spec("ua_parser") else None
)


def user_agent_name(user_agent: str) -> str:
    """Return a name such as "Firefox on Windows", or what there is of one.

    This needs the extra ``django-session-auth[user-agents]``. Without it, or for an unknown user
    agent, the user agent is returned as it is.
    """
    if parse is None:
        return user_agent
    result = parse(user_agent)
    names = [part.family for part in (result.user_agent, result.os) if part is not None]
    return " on ".join(names) or user_agent
