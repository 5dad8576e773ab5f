"""Who is logged in, and what the client may know of the session."""

from collections.abc import Mapping

from django.http import HttpRequest, JsonResponse

from session_auth.answers import json_response
from session_auth.http import JSONView
from session_auth.operations import Caller, Operation, UserAnswer
from session_auth.sessions.base import session_of
from session_auth.stages import get_stages


class UserView(JSONView):
    """``GET user/``: who is logged in, and what the client may know of the session.

    ``due`` is there if a stage of the next logins needs something by then: see ``due_from()``.
    """

    login_required = False
    operations: Mapping[str, Operation] = {
        "get": Operation(answer=UserAnswer, caller=Caller.ANYBODY_KNOWN)
    }

    def get(self, request: HttpRequest) -> JsonResponse:
        if not request.user.is_authenticated:
            return json_response({"user": None})
        session = session_of(request)
        session.touch()  # so that the times below are those that hold after this request
        described: UserAnswer = {
            "user": self.describe_user(request.user),
            "session": session.describe(),
        }
        due = {stage.code: stage.due_from(request.user) for stage in get_stages()}
        if due := {code: at for code, at in due.items() if at is not None}:
            described["due"] = due
        return json_response(described)
