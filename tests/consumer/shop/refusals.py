"""Refusals of the project, and how it handles those of the package."""

from session_auth.exceptions import (
    CsrfFailed,
    HttpsRequired,
    InvalidCredentials,
    InvalidRequest,
    MalformedJSON,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    ReauthenticationRequired,
    SecondFactorMissing,
    SessionAuthError,
    SessionEnded,
    StoreUnavailable,
    Throttled,
    Unauthorized,
    UnknownPasskey,
    UnsupportedMediaType,
    UserChanged,
)


class OutOfStock(SessionAuthError):
    status = 409
    code = "out_of_stock"
    message = "We have no more of these."


EXAMPLES: list[SessionAuthError] = [
    CsrfFailed(),
    HttpsRequired(),
    InvalidCredentials(),
    InvalidRequest(fields={"amount": ["Must be above 0."]}),
    MalformedJSON(),
    MethodNotAllowed(allowed=["GET", "POST"]),
    NotAuthenticated("Sign in to buy."),
    NotFound("There is no such article."),
    OutOfStock(),
    PayloadTooLarge(),
    PermissionDenied("Only editors may do this."),
    ReauthenticationRequired(),
    SecondFactorMissing(),
    SessionEnded(),
    StoreUnavailable(),
    Throttled(retry_after=30),
    UnknownPasskey(),
    UnsupportedMediaType(),
    UserChanged(),
]


def describe(error: SessionAuthError) -> str:
    details = error.fields if isinstance(error, InvalidRequest) else {}
    kind = "who are you?" if isinstance(error, Unauthorized) else error.message
    return f"{error.status} {error.code}: {kind} {dict(error.headers)} {details}"
