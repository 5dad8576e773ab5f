"""An engine: the package's own, with another lifetime for those who pay."""

from session_auth.engines.database import SessionStore as DatabaseSessionStore


class SessionStore(DatabaseSessionStore):
    def get_session_cookie_age(self) -> int:
        return 3600 if self.get("paying") else super().get_session_cookie_age()
