"""drf-spectacular: what ``SessionAuthentication`` protects needs the session cookie in the schema.

Where ``drf_spectacular`` is in ``INSTALLED_APPS``, this is imported, which is all that it takes for
that; ``add_endpoints`` is for its ``POSTPROCESSING_HOOKS``.
"""

from typing import Any

from drf_spectacular.authentication import SessionScheme

from session_auth import openapi

TARGET = "session_auth.contrib.rest_framework.SessionAuthentication"


class SessionAuthenticationScheme(SessionScheme):
    """drf-spectacular's for REST framework's class, for ours and those that a project makes of it.

    Each of those has a name of its own, as drf-spectacular wants it. A scheme of the project's for
    such a class comes first.
    """

    target_class = TARGET
    match_subclasses = True
    priority = SessionScheme.priority - 1

    @property
    def name(self) -> str:
        name = type(self.target).__name__
        is_ours = f"{type(self.target).__module__}.{name}" == TARGET
        return str(SessionScheme.name) if is_ours else f"{SessionScheme.name}.{name}"


def add_endpoints(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the endpoints of the package, and the CSRF token, to the schema: a hook."""
    return openapi.add_endpoints(result)
