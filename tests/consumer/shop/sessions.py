"""An engine: the package's own, with sessions that no setting makes longer than an hour."""

from session_auth.engines.database import SessionStore as DatabaseSessionStore


class SessionStore(DatabaseSessionStore):
    def get_session_cookie_age(self) -> int:
        return min(3600, super().get_session_cookie_age())
