"""How sure a session is of its user: what was proven, when, and what that adds up to."""

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from session_auth.conf import get_conf
from session_auth.exceptions import ReauthenticationRequired, SecondFactorMissing
from session_auth.sessions.base import BaseSessionStore, session_of
from session_auth.sessions.values import Record, SessionInfo, read_methods, write_methods
from session_auth.stages import Proves, get_stages, level_of, worth

PASSWORD = "password"  # noqa: S105 # the name of a method


def assurance(session: SessionInfo | BaseSessionStore) -> int:
    """Return 1 or 2: how many factors the user of a session has proven since they logged in.

    2 is for something known and something had: a password and a code, or a passkey that has
    verified its user. A method that no stage in ``SESSION_AUTH_STAGES`` knows counts as something
    known, but for ``"mfa"``, which says that another site has seen both. ``session`` may be
    ``request.session``. An anonymous session has 1.
    """
    if not isinstance(session, SessionInfo):
        session.keys()  # loads it
    info = session if isinstance(session, SessionInfo) else session.info
    return 1 if info is None else level_of(info.methods)


def require_proof(
    request: HttpRequest, user: Any, *, max_age: timedelta | None, level: int | None
) -> None:
    """Raise what ``require_recent_login()`` says, for a user who is logged in."""
    info = session_of(request).info
    since = timezone.now() - (get_conf().RECENT_LOGIN if max_age is None else max_age)
    is_recent = (
        info is not None and info.authenticated_at is not None and info.authenticated_at >= since
    )
    if is_recent and level == 1:
        return
    recent = (
        [] if info is None else [name for name, at in info.methods.items() if at and at >= since]
    )
    usable = list(methods_of(user, request))
    if level is None:
        level = level_of({*usable, *recent})  # single sign-on is not among the usable ones
    if is_recent and level <= level_of(recent):
        return
    if level > level_of({*usable, *recent}):
        raise SecondFactorMissing
    shown = Proves.NOTHING
    for name in recent:
        shown |= worth(name)
    missing = Proves.BOTH if level == 1 else Proves.BOTH & ~shown
    raise ReauthenticationRequired(methods=[name for name in usable if worth(name) & missing])


def methods_of(user: Any, request: HttpRequest) -> Iterator[str]:
    """Yield the methods by which a user who is logged in can prove again who they are."""
    if user.has_usable_password():
        yield PASSWORD
    for stage in get_stages():
        for name in stage.offered(user, request):
            if stage.methods[name].proves:
                yield name


def retract(session: BaseSessionStore, names: Collection[str]) -> bool:
    """Take back what the user has proven by these methods; say whether a proof is left."""
    if session._record is None:
        return False

    def without(record: Record) -> Record:
        proven = read_methods(record.methods)
        left = {name: at for name, at in proven.items() if name not in names}
        # With the next version: a request that has read the proof merges, and brings none back.
        return record._replace(methods=write_methods(left), version=record.version + 1)

    revised = session.rows.revise(session._record.id, without)
    session._record = revised or session._record
    return revised is not None and bool(read_methods(revised.methods))
