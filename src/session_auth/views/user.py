"""Who is logged in, and what the client may know of the session."""

from django.http import HttpRequest, JsonResponse

from session_auth.http import JSONView, json_response
from session_auth.sessions.base import session_of


class UserView(JSONView):
    """``GET user/``: who is logged in, and what the client may know of the session."""

    login_required = False

    def get(self, request: HttpRequest) -> JsonResponse:
        if not request.user.is_authenticated:
            return json_response({"user": None})
        session = session_of(request)
        session.touch()  # so that the times below are those that hold after this request
        return json_response(
            {"user": self.describe_user(request.user), "session": session.describe()}
        )
