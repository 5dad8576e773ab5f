"""One visit to a site: what is expected there, and the token and cookies that it gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from django.conf import settings
from django.http import HttpHeaders

from session_auth.doctor.findings import printable
from session_auth.doctor.wire import Answer, Caller, Site

JSON = "application/json"
STRANGER = "https://stranger.invalid"
"""No such host can exist (RFC 6761, 6.4)."""

NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the settings say of the cookies. What arrives through the proxy may differ."""

    session_cookie: str
    csrf_cookie: str
    """With ``CSRF_USE_SESSIONS``, the session cookie: the token is in the session."""

    csrf_cookie_is_hidden: bool
    token_header: str

    @classmethod
    def by_settings(cls) -> "Expected":
        in_session = settings.CSRF_USE_SESSIONS
        return cls(
            session_cookie=settings.SESSION_COOKIE_NAME,
            csrf_cookie=settings.SESSION_COOKIE_NAME if in_session else settings.CSRF_COOKIE_NAME,
            csrf_cookie_is_hidden=in_session or settings.CSRF_COOKIE_HTTPONLY,
            token_header=HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME) or "X-CSRFToken",
        )


@dataclass(slots=True, kw_only=True)
class Visit:
    """Behaves as a browser does, for the site: it keeps the cookies that it takes from answers."""

    caller: Caller
    expected: Expected
    http: Caller | None
    """Calls the site over plain HTTP; ``None`` if its port is not known."""

    first: Answer
    """The answer to ``GET csrf/``."""

    token: str = field(default="", repr=False)
    cookies: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: set[str] = field(default_factory=set, repr=False)

    @property
    def site(self) -> Site:
        return self.caller.site

    def take(self, answer: Answer) -> None:
        """Take the cookies, and the token if there is one, as a browser and its scripts would."""
        for cookie in answer.cookies:
            self.cookies[cookie.name] = cookie.value
            self.secrets.add(cookie.value)
        if isinstance(token := answer.json.get("csrfToken"), str):
            self.token = token
            self.secrets.add(token)

    def get(self, path: str, headers: Mapping[str, str] = NONE) -> Answer:
        return self.caller.call("GET", path, headers=self._headers(headers))

    def post(
        self,
        path: str,
        headers: Mapping[str, str] = NONE,
        *,
        body: bytes = b"",
        content_type: str = JSON,
    ) -> Answer:
        """Send what a script of the site would send. ``headers`` replace these; "" removes one."""
        given = {
            "Content-Type": content_type,
            "Origin": self.site.origin,
            "Referer": self.site.origin + "/",
            self.expected.token_header: self.token,
        }
        headers = self._headers(given | dict(headers))
        return self.caller.call("POST", path, body=body, headers=headers)

    def shown(self, text: str) -> str:
        """Return what a server sent, for a person to read: secrets are replaced by "***"."""
        for secret in sorted(filter(None, self.secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        return printable(text)

    def described(self, answer: Answer) -> str:
        """Return an answer in a few words: its status, and the code or the type of its body."""
        code = answer.json.get("code")
        kind = code if isinstance(code, str) else answer.header("Content-Type") or "no type"
        return self.shown(f"{answer.status} {kind}")

    def _headers(self, given: Mapping[str, str]) -> dict[str, str]:
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": jar} | dict(given)
        return {name: value for name, value in headers.items() if value}


def is_refusal(answer: Answer, status: int, code: str) -> bool:
    """Say whether ``answer`` is this refusal of our endpoints, in their JSON."""
    error = answer.json.get("error")
    return (answer.status, answer.json.get("code")) == (status, code) and isinstance(error, str)
