"""What the endpoints take and answer, as types and values: the OpenAPI document is made of them.

Each view says it of itself, in ``operations``. mypy holds the answers to their types, and the tests
hold each refusal that a view answers against those that it names.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Annotated, Any, NotRequired, TypedDict

from session_auth.exceptions import SessionAuthError

USER = "User"
DescribedUser = Annotated[dict[str, Any], USER]
"""What ``describe_user()`` returns: which fields there are, the project says."""


__all__ = ["Caller", "Operation"]


class Caller(Enum):
    """Who may make a call."""

    ANYBODY = auto()

    ANYBODY_KNOWN = auto()
    """Anybody; who is logged in, or on the way, gets another answer."""

    USER = auto()

    RECENT = auto()
    """A user who has proven who they are recently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What one method of a view takes and answers.

    ``answer`` is the type of the body for ``status``; ``None`` is 204. ``body`` has the keys that
    the body may have, with their types, and ``required`` those that it must have; a view with a
    form has those of the form, too. ``limits`` are more keywords of JSON Schema for keys of
    ``body``. ``refusals`` are the refusals beside those that any call may
    meet and those that follow from ``caller`` and ``body``.
    """

    answer: Any = None
    status: int = 200
    caller: Caller = Caller.ANYBODY
    query: Collection[str] = ()
    body: Mapping[str, type] | None = None
    required: Collection[str] = ()
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refusals: Collection[type[SessionAuthError]] = ()


class CsrfAnswer(TypedDict):
    csrfToken: str


class Message(TypedDict):
    message: str


class SessionDescription(TypedDict):
    """What the session's own browser is told of it."""

    id: str
    user_ref: str
    created_at: datetime
    authenticated_at: datetime | None
    methods: dict[str, datetime | None]
    expires_at: datetime
    idle_expires_at: datetime | None
    absolute_expires_at: datetime


class UserAnswer(TypedDict):
    """Who is logged in; ``session`` is there if somebody is."""

    user: DescribedUser | None
    session: NotRequired[SessionDescription | None]
    due: NotRequired[dict[str, datetime]]


class ProofAnswer(TypedDict):
    """The answer to a login, and to whatever else gives the session a new key."""

    user: DescribedUser
    session: SessionDescription | None
    csrfToken: str


class ListedSession(TypedDict):
    """What a user sees of one of their sessions."""

    id: str
    current: bool
    created_at: datetime
    methods: dict[str, datetime | None]
    last_seen_at: datetime
    expires_at: datetime
    ip: str
    user_agent: str
    device: str


class SessionsAnswer(TypedDict):
    sessions: list[ListedSession]
    next: str | None


class EndedAnswer(TypedDict):
    ended: int


class FactorDescription(TypedDict):
    """What its user sees of a factor."""

    id: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


class FactorsAnswer(TypedDict):
    passkeys: list[FactorDescription]
    totp: FactorDescription | None
    recovery_codes_left: int
    available: list[str]


class RecoveryCodes(TypedDict):
    recovery_codes: list[str]


class NewApp(TypedDict):
    """What an authenticator app needs; the QR code is an SVG element."""

    secret: str
    uri: str
    qr_code: str


class NewTotpAnswer(ProofAnswer):
    totp: FactorDescription


class NewPasskeyAnswer(ProofAnswer):
    passkey: FactorDescription


class PasskeyName(TypedDict):
    name: str


class PasskeyOptions(TypedDict):
    """What ``navigator.credentials`` takes, as JSON."""

    publicKey: dict[str, Any]


class PasskeySignals(TypedDict):
    """What ``PublicKeyCredential.signalAllAcceptedCredentials()`` takes."""

    rpId: str
    userId: str
    allAcceptedCredentialIds: list[str]


class SignalsAnswer(TypedDict):
    signals: PasskeySignals
