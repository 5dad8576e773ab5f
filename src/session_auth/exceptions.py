"""Everything that a client may be told, as exceptions.

Raise one anywhere below a view: ``session_auth.http.error_response`` is the one place that turns it
into ``{"error": "<a sentence>", "code": "<stable_slug>"}``.
"""

from collections.abc import Iterable, Mapping


class SessionAuthError(Exception):
    """A refusal: ``status`` is the HTTP status, ``code`` a slug that stays, ``message`` a sentence.

    ``headers`` go out with the answer.
    """

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = {}

    def __init__(self, message: str | None = None) -> None:
        if message is not None:
            self.message = message
        super().__init__(self.message)


class MalformedJSON(SessionAuthError):
    status = 400
    code = "malformed_json"
    message = "The body is not valid JSON."


class InvalidRequest(SessionAuthError):
    """A form or the reader refused something.

    ``fields`` maps the name of a field to its messages; ``__all__`` stands for the form as a whole.
    ``code`` is for a form that has one of its own.
    """

    status = 400
    code = "invalid_request"
    message = "Some fields are missing or not valid."

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        fields: Mapping[str, Iterable[object]] | None = None,
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.fields = {
            name: [str(text) for text in texts] for name, texts in (fields or {}).items()
        }


class Unauthorized(SessionAuthError):
    """A 401 must carry a challenge (RFC 9110, 15.5.2); browsers open no dialog for this scheme."""

    status = 401
    headers: Mapping[str, str] = {"WWW-Authenticate": "Session"}


class InvalidCredentials(Unauthorized):
    code = "invalid_credentials"
    message = "Invalid credentials"


class NotAuthenticated(Unauthorized):
    code = "not_authenticated"
    message = "Log in first."


class SessionEnded(Unauthorized):
    code = "session_ended"
    message = "Your session has ended. Log in again."


class CsrfFailed(SessionAuthError):
    status = 403
    code = "csrf_failed"
    message = "The CSRF check failed."


class ReauthenticationRequired(SessionAuthError):
    status = 403
    code = "reauthentication_required"
    message = "Prove your password again: the last time is too long ago."


class NotFound(SessionAuthError):
    status = 404
    code = "not_found"
    message = "There is no such thing."


class MethodNotAllowed(SessionAuthError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, *, allowed: Iterable[str]) -> None:
        self.headers = {"Allow": ", ".join(allowed)}
        super().__init__(f"This method is not allowed here. Use {self.headers['Allow']}.")


class UserChanged(SessionAuthError):
    """The client took the session for that of another user; see ``AuthenticationMiddleware``."""

    status = 409
    code = "user_changed"
    message = "Somebody else has logged in, in another tab perhaps. Look again before you go on."


class PayloadTooLarge(SessionAuthError):
    status = 413
    code = "payload_too_large"
    message = "The body is too large."


class UnsupportedMediaType(SessionAuthError):
    status = 415
    code = "unsupported_media_type"
    message = "Send JSON, with the header Content-Type: application/json."


class Throttled(SessionAuthError):
    """Too many guesses; ``retry_after`` is the number of seconds after which one is allowed."""

    status = 429
    code = "throttled"
    message = "Too many attempts. Try again later."

    def __init__(self, *, retry_after: int) -> None:
        self.headers = {"Retry-After": str(retry_after)}
        super().__init__()


class StoreUnavailable(SessionAuthError):
    """The session store cannot be asked, so nobody can say who is calling.

    That is never the same as "nobody is logged in".
    """

    status = 503
    code = "store_unavailable"
    message = "Sessions are not available at the moment. Try again shortly."
    headers: Mapping[str, str] = {"Retry-After": "5"}
