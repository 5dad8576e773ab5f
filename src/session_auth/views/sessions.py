"""The sessions of a user: listed and ended."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from session_auth import attempts, flows, sessions, throttling
from session_auth.answers import json_response, no_content
from session_auth.conf import get_conf
from session_auth.exceptions import InvalidRequest, NotFound
from session_auth.http import JSONView, read_json
from session_auth.operations import (
    Caller,
    EndedAnswer,
    ListedSession,
    Operation,
    SessionsAnswer,
)
from session_auth.sessions.base import session_of
from session_auth.sessions.listing import page_of_sessions
from session_auth.sessions.values import SessionInfo
from session_auth.user_agents import user_agent_name


class SessionsView(JSONView):
    """``GET sessions/``: the user's sessions, page by page. ``DELETE``: end all but this one.

    A page has 100 sessions at most. ``next`` is ``null``, or the ``cursor`` of the next page.

    After a ``DELETE``, no other browser is a known device of the user any more, and no login of
    theirs that was begun before can be completed.
    """

    login_required = False
    operations: Mapping[str, Operation] = {
        "get": Operation(
            answer=SessionsAnswer,
            caller=Caller.USER,
            query=("cursor",),
        ),
        "delete": Operation(answer=EndedAnswer, caller=Caller.RECENT, body={}),
    }

    def get(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_login(request)
        session_of(request).touch()
        current = _current(request, user)
        try:
            page, cursor = page_of_sessions(
                user, current=current, cursor=request.GET.get("cursor") or None
            )
        except ValueError as exc:
            raise InvalidRequest(fields={"cursor": [_("This is no cursor.")]}) from exc
        names = {agent: user_agent_name(agent) for agent in {info.user_agent for info in page}}
        listed = [
            describe_listed_session(info, is_current=info is current, device=names[info.user_agent])
            for info in page
        ]
        answer: SessionsAnswer = {"sessions": listed, "next": cursor}
        return json_response(answer)

    def delete(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_recent_login(request)
        read_json(request, {})
        # The sessions last: if the store fails before that, the list is as it was.
        device = HttpResponse()
        throttling.throw_out_devices(user, but=(request, device))
        if get_conf().STAGES:
            attempts.end_of(user.pk)
        answer: EndedAnswer = {"ended": sessions.end_sessions(user, but=_current_id(request, user))}
        response = json_response(answer)
        response.cookies.update(device.cookies)
        return response


class SessionView(JSONView):
    """``DELETE sessions/ID/``: end one session of the user. To end the current one is a logout."""

    login_required = False
    operations: Mapping[str, Operation] = {
        "delete": Operation(caller=Caller.RECENT, body={}, refusals=(NotFound,))
    }

    def delete(self, request: HttpRequest, session_id: str) -> HttpResponse:
        user = flows.require_recent_login(request)
        read_json(request, {})
        if session_id == _current_id(request, user):
            flows.log_out(request)
        elif not sessions.end_session(user, session_id):
            raise NotFound(_("You have no session with this id."))
        return no_content()


def describe_listed_session(info: SessionInfo, *, is_current: bool, device: str) -> ListedSession:
    """Return what a user sees of one of their sessions."""
    return {
        "id": info.id,
        "current": is_current,
        "created_at": info.created_at,
        "methods": info.methods,
        "last_seen_at": info.last_seen_at,
        "expires_at": info.expires_at,
        "ip": info.ip,
        "user_agent": info.user_agent,
        "device": device,
    }


def _current(request: HttpRequest, user: Any) -> SessionInfo | None:
    """Return the session of this request; ``None`` if it is not stored yet, or is not the user's.

    It is not stored yet if a middleware has just logged the user in; it is not the user's if the
    middleware knows them by something else, such as a client certificate.
    """
    info = session_of(request).info
    return info if info is not None and info.user_id == user.pk else None


def _current_id(request: HttpRequest, user: Any) -> str | None:
    current = _current(request, user)
    return current.id if current else None
