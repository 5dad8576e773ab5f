"""The sessions of a user: listed and ended."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from session_auth import flows, sessions, throttling
from session_auth.exceptions import NotFound
from session_auth.http import JSONView, json_response, no_content, read_json
from session_auth.sessions.base import session_of
from session_auth.sessions.values import SessionInfo
from session_auth.user_agents import user_agent_name


class SessionsView(JSONView):
    """``GET sessions/``: the user's sessions. ``DELETE``: end all but this one.

    After a ``DELETE``, no other browser is a known device of the user any more.
    """

    login_required = False

    def get(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_login(request)
        session_of(request).touch()
        current = _current_id(request)
        listed = sessions.list_sessions(user)
        listed.sort(key=lambda info: info.id != current)  # the current first; else as it was
        return json_response(
            {"sessions": [describe_listed_session(info, current=current) for info in listed]}
        )

    def delete(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_recent_login(request)
        read_json(request, {})
        ended = sessions.end_sessions(user, but=_current_id(request))
        response = json_response({"ended": ended})
        throttling.throw_out_devices(user, but=(request, response))
        return response


class SessionView(JSONView):
    """``DELETE sessions/ID/``: end one session of the user. To end the current one is a logout."""

    login_required = False

    def delete(self, request: HttpRequest, session_id: str) -> HttpResponse:
        user = flows.require_recent_login(request)
        read_json(request, {})
        if session_id == _current_id(request):
            flows.log_out(request)
        elif not sessions.end_session(user, session_id):
            raise NotFound("You have no session with this id.")
        return no_content()


def describe_listed_session(info: SessionInfo, *, current: str | None) -> dict[str, Any]:
    """Return what a user sees of one of their sessions."""
    return {
        "id": info.id,
        "current": info.id == current,
        "created_at": info.created_at,
        "methods": info.methods,
        "last_seen_at": info.last_seen_at,
        "expires_at": info.expires_at,
        "ip": info.ip,
        "user_agent": info.user_agent,
        "device": user_agent_name(info.user_agent),
    }


def _current_id(request: HttpRequest) -> str | None:
    info = session_of(request).info
    return info.id if info else None
