"""Sessions in the store of the engine under test, as tests put and find them there."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from session_auth.engines.database import SessionStore as SessionStore
else:
    SessionStore = import_module(settings.SESSION_ENGINE).SessionStore


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
