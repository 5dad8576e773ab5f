"""Everything that a client may be told, as exceptions.

Raise one in a view, or in what a view calls: ``SessionMiddleware`` answers it with its status and
``{"error": "<message>", "code": "<code>"}``, also where the view itself catches nothing. A hint for
developers, if there is one, stands beside them, as ``"hint"``.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

__all__ = [
    "CsrfFailed",
    "HttpsRequired",
    "InvalidCredentials",
    "InvalidRequest",
    "LoginExpired",
    "MalformedJSON",
    "MethodNotAllowed",
    "NotAuthenticated",
    "NotFound",
    "PayloadTooLarge",
    "PermissionDenied",
    "ReauthenticationRequired",
    "SecondFactorMissing",
    "SessionAuthError",
    "SessionEnded",
    "StageRequired",
    "StoreUnavailable",
    "Throttled",
    "Unauthorized",
    "UnknownPasskey",
    "UnsupportedMediaType",
    "UserChanged",
]


class SessionAuthError(Exception):
    """The root of all refusals; a project may derive its own.

    ``status`` is the HTTP status. ``code`` is a slug that stays the same in every release and every
    language. ``message`` is a sentence for people. ``hint`` tells developers what they have to do,
    and nothing that a stranger may not know, since each caller gets it. ``headers`` are added to
    the answer, ``details`` to its body. An instance may have a message and a hint of its own:
    ``NotFound("There is no such article.")``.
    """

    status: int
    code: str
    message: str | Promise
    hint: str = ""
    headers: Mapping[str, str] = {}
    details: Mapping[str, Any] = {}

    def __init__(
        self,
        message: str | Promise | None = None,
        *,
        hint: str | None = None,
    ) -> None:
        if message is not None:
            self.message = message
        if hint is not None:
            self.hint = hint
        super().__init__()

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class MalformedJSON(SessionAuthError):
    """The body is not one JSON object that every parser reads alike (RFC 8259; RFC 7493, I-JSON).

    It is also raised if the body did not arrive completely.
    """

    status = 400
    code = "malformed_json"
    message = _("The request could not be read.")
    hint = "The body is not valid JSON."


class InvalidRequest(SessionAuthError):
    """A form, or the reader of the body, refused a field.

    ``fields`` maps the name of a field to its messages, and is in the answer if it is not empty;
    ``__all__`` stands for the form as a whole. ``code`` is for a form that has one of its own.
    """

    status = 400
    code = "invalid_request"
    message = _("Some fields are missing or not valid.")

    def __init__(
        self,
        message: str | Promise | None = None,
        *,
        code: str | None = None,
        fields: Mapping[str, Iterable[object]] | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        if code is not None:
            self.code = code
        self.fields = {
            name: [str(text) for text in texts] for name, texts in (fields or {}).items()
        }
        self.details = {"fields": self.fields} if self.fields else {}


class Unauthorized(SessionAuthError):
    """The root of the refusals with 401: the caller has to log in.

    A 401 must carry a challenge (RFC 9110, 15.5.2); browsers open no dialog for the scheme
    ``Session``.
    """

    status = 401
    headers: Mapping[str, str] = {"WWW-Authenticate": "Session"}


class InvalidCredentials(Unauthorized):
    """The password is wrong, or nobody may log in by this name: the answer does not tell which."""

    code = "invalid_credentials"
    message = _("Invalid credentials")


class StageRequired(Unauthorized):
    """The credentials are right, and the login has another stage: nobody is logged in yet.

    ``code`` is that of the stage, such as ``terms_required``. The body also has ``methods``, the
    ways to pass the stage; ``expires_at``, until when; and the ``details`` of the stage. A client
    goes on at ``login/second-factor/``: the cookie for that comes with the answer.
    """

    code = "second_factor_required"
    message = _("Confirm that it is you.")

    def __init__(
        self,
        message: str | Promise | None = None,
        *,
        code: str,
        methods: Iterable[str],
        expires_at: datetime,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.methods = list(methods)
        self.details = {**(details or {}), "methods": self.methods, "expires_at": expires_at}


class LoginExpired(Unauthorized):
    """There is no login to go on with: it took too long, was completed, or is somebody else's.

    The answer does not tell which.
    """

    code = "login_expired"
    message = _("This login cannot go on. Log in again.")


class UnknownPasskey(Unauthorized):
    """This site knows no such passkey, or its user may not log in.

    It tells nothing of any account: only the authenticator that made a passkey knows its id. A
    client should let the browser forget the passkey: ``signalUnknownCredential()``.
    """

    code = "unknown_passkey"
    message = _("This passkey was removed from the account. Log in another way.")


class NotAuthenticated(Unauthorized):
    """Nobody is logged in."""

    code = "not_authenticated"
    message = _("Log in first.")


class SessionEnded(Unauthorized):
    """The cookie opens no session any more: it timed out, or somebody has ended it."""

    code = "session_ended"
    message = _("Your session has ended. Log in again.")


class CsrfFailed(SessionAuthError):
    """An unsafe request did not prove that it is from a page of this site: see docs/csrf.md.

    Its hint says which of the checks failed, and what a developer has to do.
    """

    status = 403
    code = "csrf_failed"
    message = _("The request could not be verified. Reload the page, and try again.")


class HttpsRequired(SessionAuthError):
    """The request came by plain HTTP, where ``SECURE_SSL_REDIRECT`` says that the site has HTTPS.

    Whoever was on the way has read it: a password in it should be changed.
    """

    status = 403
    code = "https_required"
    message = _("Use https.")


class PermissionDenied(SessionAuthError):
    """The user may not do this. Below ``SESSION_AUTH_API_PATHS`` Django's own is answered as it."""

    status = 403
    code = "permission_denied"
    message = _("You are not allowed to do this.")


class ReauthenticationRequired(SessionAuthError):
    """The user is logged in, but their last proof of who they are is too long ago for this call.

    ``methods`` of the body are the ways to prove it now, such as ``["password", "totp"]``. A client
    should ask for one of them, call ``reauthenticate/``, and send the call again. Where that is
    refused once more, the call needs two factors, and ``methods`` are those for the other one.
    """

    status = 403
    code = "reauthentication_required"
    message = _("Enter your password again: the last time was too long ago.")

    def __init__(
        self, message: str | Promise | None = None, *, methods: Iterable[str] = ("password",)
    ) -> None:
        self.methods = list(methods)
        self.details = {"methods": self.methods}
        if message is None and self.methods != ["password"]:
            message = _("Confirm again that it is you: the last time was too long ago.")
        super().__init__(message)


class SecondFactorMissing(SessionAuthError):
    """The call needs two factors (``level=2``), and the user has set up no second one."""

    status = 403
    code = "second_factor_missing"
    message = _("Set up a second factor first.")


class NotFound(SessionAuthError):
    """There is no such thing, or it belongs to somebody else: the answer does not tell which."""

    status = 404
    code = "not_found"
    message = _("There is no such thing.")


class MethodNotAllowed(SessionAuthError):
    """The view has no such method; the header ``Allow`` names those it has (RFC 9110, 15.5.6)."""

    status = 405
    code = "method_not_allowed"
    message = _("This cannot be done here.")

    def __init__(self, *, allowed: Iterable[str]) -> None:
        self.headers = {"Allow": ", ".join(allowed)}
        super().__init__(hint=f"This method is not allowed here. Use {self.headers['Allow']}.")


class UserChanged(SessionAuthError):
    """The header ``Session-User`` of the request names another user than the session.

    So the request comes from a page that still shows the user who was logged in before: see
    ``session_auth.middleware.AuthenticationMiddleware``.
    """

    status = 409
    code = "user_changed"
    message = _("Somebody else has logged in, perhaps in another tab. Reload before you go on.")


class PayloadTooLarge(SessionAuthError):
    """The body is larger than 16 KiB, or than ``DATA_UPLOAD_MAX_MEMORY_SIZE``."""

    status = 413
    code = "payload_too_large"
    message = _("This is too much to send at once.")
    hint = "The body is too large."


class UnsupportedMediaType(SessionAuthError):
    """The body is not declared as JSON in UTF-8, or it is compressed."""

    status = 415
    code = "unsupported_media_type"
    message = _("The request could not be read.")
    hint = "Send JSON, with the header Content-Type: application/json."


class Throttled(SessionAuthError):
    """Too many guesses: see docs/throttling.md.

    ``retry_after``, in seconds, is when the next one is allowed; it goes out as ``Retry-After``
    (RFC 6585, 4).
    """

    status = 429
    code = "throttled"
    message = _("Too many attempts. Try again later.")

    def __init__(self, *, retry_after: int) -> None:
        self.retry_after = retry_after
        self.headers = {"Retry-After": str(retry_after)}
        super().__init__()


class StoreUnavailable(SessionAuthError):
    """The store of the sessions cannot be reached, so nobody can say who is calling.

    The caller is not taken for an anonymous visitor. ``Retry-After`` is 5 seconds.
    """

    status = 503
    code = "store_unavailable"
    message = _("Sessions are not available at the moment. Try again shortly.")
    headers: Mapping[str, str] = {"Retry-After": "5"}
