"""Who is logged in, and what the client may know of the session."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from session_auth.http import JSONView, json_response
from session_auth.sessions.base import BaseSessionStore, session_of
from session_auth.sessions.references import user_reference


class UserView(JSONView):
    """``GET user/``: who is logged in, and what the client may know of the session."""

    login_required = False

    def get(self, request: HttpRequest) -> JsonResponse:
        if not request.user.is_authenticated:
            return json_response({"user": None})
        session = session_of(request)
        session.touch()  # so that the times below are those that hold after this request
        return json_response(
            {"user": self.describe_user(request.user), "session": describe_session(session)}
        )


def describe_session(session: BaseSessionStore) -> dict[str, Any] | None:
    """Return what a client sees of its session; ``None`` if it is not stored, or not yet."""
    info, deadlines = session.info, session.deadlines()
    if info is None or deadlines is None:
        return None
    return {
        "id": info.id,
        "user_ref": user_reference(info.user_id),
        "created_at": info.created_at,
        "authenticated_at": info.authenticated_at,
        "methods": info.methods,
        "expires_at": deadlines.first,
        "idle_expires_at": deadlines.idle,
        "absolute_expires_at": deadlines.absolute,
    }
