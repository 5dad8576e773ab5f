"""Sessions in the store of the database engine, as tests put and find them there."""

from typing import Any

from session_auth.engines.database import SessionStore


def stored(**data: object) -> SessionStore:
    """Return a session that has a row with ``data``."""
    session = SessionStore()
    session.update(data)
    session.save()
    return session


def another_request_for(session: SessionStore) -> SessionStore:
    """Return the session as another request with the same cookie has loaded it."""
    other = SessionStore(session.session_key)
    other.keys()
    return other


def data_of(session: SessionStore) -> dict[str, Any]:
    return SessionStore(session.session_key).load()
