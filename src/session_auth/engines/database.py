"""Sessions in a table of the project's database: the default engine."""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from inspect import getattr_static
from itertools import chain
from typing import Any

from django.contrib.sessions.backends.base import CreateError
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connections, router, transaction
from django.db.models import F, Q, QuerySet, Subquery
from django.db.models.sql import InsertQuery
from django.utils import timezone

from session_auth import stores
from session_auth.conf import get_conf
from session_auth.engines import notices
from session_auth.engines.everybody import end_everybody
from session_auth.engines.lookup import SESSIONS, JoinedLookup, take
from session_auth.engines.notices import NewId
from session_auth.models import AdoptedSession, Session
from session_auth.sessions import stamps
from session_auth.sessions.base import BaseSessionStore
from session_auth.sessions.ending import keep
from session_auth.sessions.rows import Position
from session_auth.sessions.values import PROVEN, Record
from session_auth.signals import EndReason

__all__ = ["SessionStore"]

BATCH_ROWS = 1000
"""How many ids one statement names: databases limit the number of parameters."""

EXACT_BELOW = 100
"""Below it, ``SESSION_AUTH_MAX_SESSIONS`` holds exactly: each login takes a lock for that.

A higher limit only keeps the table small, and takes no lock. Logins of one user at the same time
may exceed it by their number, until the user's next login.
"""


class DatabaseRows(JoinedLookup):
    """The rows of the session table.

    To lock several rows, a method locks their user first, or the rows in the order of their ids:
    so no two wait for each other.
    """

    in_table = True

    @SESSIONS.asks
    def read_many(self, session_ids: Collection[str]) -> list[Record]:
        rows = _rows().exclude(stamps.is_void())
        batches = (_records(rows.filter(id__in=ids)) for ids in _batches(list(session_ids)))
        return list(chain.from_iterable(batches))

    @SESSIONS.changes
    def insert(
        self, record: Record, *, ending: Collection[str], at_most: int | None
    ) -> dict[EndReason, list[Record]]:
        if record.user_id is None:
            at_most = None
        with transaction.atomic(using=_alias()):
            if at_most is not None and at_most < EXACT_BELOW:
                stamps.lock_user(record.user_id, alias=_alias())
            surplus = _insert(record, ending=ending, at_most=at_most)
            if ending and surplus:
                _lock_ids([*ending, *surplus])
            ended = {}
            if ending:
                ended[EndReason.REPLACED] = _take_ids(ending, EndReason.REPLACED, successor=record)
            if surplus:
                ended[EndReason.EVICTED] = _take_ids(surplus, EndReason.EVICTED)
            return ended

    @SESSIONS.changes
    def adopt(self, record: Record, *, old_key: str) -> None:
        with transaction.atomic(using=_alias()):
            if record.user_id is not None:
                stamps.lock_user(record.user_id, alias=_alias())
                if stamps.is_stamped(record.user_id, alias=_alias()):
                    return
            try:
                with transaction.atomic(using=_alias()):
                    notes = AdoptedSession.objects.using(_alias())
                    notes.create(session_id=record.id, old_key=old_key)
            except IntegrityError:
                return
            _rows().create(**record._asdict())

    @SESSIONS.changes
    def compare_and_set(self, record: Record, *, version: int) -> bool:
        return bool(_live(record.id).filter(version=version).update(**record._asdict()))

    @SESSIONS.changes
    def revise(self, session_id: str, change: Callable[[Record], Record]) -> Record | None:
        with transaction.atomic(using=_alias()):
            # An UPDATE locks the row on every database; SQLite has no SELECT FOR UPDATE.
            _live(session_id).update(version=F("version"))
            # On MySQL, a SELECT without a lock may show the row as the transaction found it.
            record = _first(_live(session_id).select_for_update())
            if record is None:
                return None
            record = change(record)
            _live(session_id).update(**record._asdict())
            return record

    @SESSIONS.asks
    def mark_seen(self, record: Record, *, since: datetime) -> bool:
        due = Q(last_seen_at__lte=since) | Q(last_seen_at__gt=record.last_seen_at)
        return self._mark(record, due, "last_seen_at", "expires_at", "ip", "user_agent")

    @SESSIONS.asks
    def mark_passive(self, record: Record, *, since: datetime) -> bool:
        due = (
            Q(passive_seen_at=None)
            | Q(passive_seen_at__lte=since)
            | Q(passive_seen_at__gt=record.passive_seen_at)
        )
        return self._mark(record, due, "passive_seen_at", "ip", "user_agent")

    @SESSIONS.changes
    def rename(
        self, session_id: str, new_id: str, *, proven: Record | None = None, methods: str = ""
    ) -> bool:
        proof = {column: getattr(proven, column) for column in PROVEN} if proven else {}
        condition = Q(methods=methods) if methods else Q()
        return bool(_live(session_id).filter(condition).update(id=NewId(new_id), **proof))

    @SESSIONS.asks
    def remove_unseen(self, record: Record) -> bool:
        unseen = _rows().filter(
            id=record.id, version=record.version, last_seen_at=record.last_seen_at
        )
        return bool(_take(unseen, None))

    @SESSIONS.asks
    def remove_ids(self, session_ids: Collection[str], reason: EndReason) -> list[Record]:
        return _take_ids(session_ids, reason)

    @SESSIONS.asks
    def remove_of_user(
        self, user_id: Any, reason: EndReason, *, only: str | None = None, but: str | None = None
    ) -> list[Record]:
        rows = _rows().filter(user=user_id)
        if only is not None:
            return _take(rows.filter(id=only), reason)
        if but is not None and connections[_alias()].vendor != "mysql":
            stamps.stamp_for_adoption(user_id, alias=_alias())
            return _take(rows.exclude(id=but), reason)
        with transaction.atomic(using=_alias()):
            stamps.lock_user(user_id, alias=_alias())
            if but is not None:
                stamps.stamp_for_adoption(user_id, alias=_alias())
                return _take(rows.exclude(id=but), reason)
            stamps.stamp([user_id], alias=_alias())
            return _take(rows, reason)

    @SESSIONS.asks
    def remove_expired(self, *, at_most: int) -> list[Record]:
        expired = _rows().filter(expires_at__lte=timezone.now()).order_by("expires_at")
        return _take_ids(list(expired.values_list("id", flat=True)[:at_most]), None)

    def _mark(self, record: Record, due: Q, *columns: str) -> bool:
        seen = {column: getattr(record, column) for column in columns}
        return bool(_live(record.id).filter(due).update(**seen))

    @SESSIONS.asks
    def remove_all(self, reason: EndReason) -> int:
        return end_everybody(reason, alias=_alias())

    def when_final(self, call: Callable[[], None]) -> bool:
        return stores.when_final(call, alias=_alias())

    @SESSIONS.asks
    def of_user(
        self,
        user_id: Any,
        *,
        at_most: int | None = None,
        after: Position | None = None,
        but: str | None = None,
    ) -> list[Record]:
        live = _rows().filter(user=user_id, expires_at__gt=timezone.now())
        if but is not None:
            live = live.exclude(id=but)
        if after is not None:
            seen_at, session_id = after
            live = live.filter(
                Q(last_seen_at__lt=seen_at) | Q(last_seen_at=seen_at, id__gt=session_id)
            )
        rows = live.exclude(stamps.is_void()).order_by("-last_seen_at", "id")
        return _records(rows[:at_most])

    @SESSIONS.asks
    def some(self, *, at_most: int, user_ids: Collection[Any] | None = None) -> list[Record]:
        rows = _rows() if user_ids is None else _rows().filter(user_id__in=user_ids)
        return _records(rows.order_by("-expires_at")[:at_most])

    def can_listen(self) -> bool:
        return notices.can_notify(_alias())

    def listen(self) -> Iterator[str | None]:
        return notices.listen(_alias())

    def tell(self, text: str) -> None:
        notices.notify(text, alias=_alias())


class SessionStore(BaseSessionStore):
    """The engine for ``SESSION_ENGINE = "session_auth.engines.database"``, a ``SessionBase``.

    Beyond what Django's engines have, ``request.session`` has the names below. Its other names are
    private. ``info`` is a ``session_auth.sessions.SessionInfo``, or ``None`` if the session is not
    stored or not looked up yet. ``deadlines()`` returns ``session_auth.sessions.Deadlines`` or
    ``None``. ``end(reason)`` ends the session, for an ``EndReason``. ``prove(method)`` records that
    the user has proven who they are in another way, such as ``"totp"``, and gives the session a new
    key. ``passive`` is ``True`` if this request does not count as activity.

    ``save()`` merges what this request has changed, key by key, into the row as it is by then. It
    raises ``UpdateError`` if the session has ended. ``flush()`` is a logout. A method that needs
    the database raises ``StoreUnavailable`` if it cannot be reached.
    """

    rows = DatabaseRows()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse Django's recipe for a session model of one's own: such a class makes no sessions.

        A session and its user are fetched by a statement that is made for our model, so the rows
        would go to our table, and nobody would notice. The class itself may be defined, since its
        project may use another engine.
        """
        super().__init_subclass__(**kwargs)
        own = [name for name in ("create_model_instance", "model") if hasattr(cls, name)]
        if getattr_static(cls, "get_model_class") is not vars(SessionStore)["get_model_class"]:
            own.append("get_model_class")
        if not own:
            return

        def refuse(self: object, *args: object) -> None:
            raise ImproperlyConfigured(
                f"{cls.__module__}.{cls.__qualname__} has '{own[0]}' of its own, but its rows are "
                f"always those of session_auth.models.Session. Remove it: that model knows the "
                f"user of each session already, and what else belongs to a session can be kept in "
                f"request.session, or in a model of yours by the id that request.session.info has."
            )

        cls.__init__ = refuse  # type: ignore[method-assign,assignment]  # each session asks it

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session


def _alias() -> str:
    """Return the database that is written to: a replica may not know yet that a session ended."""
    return router.db_for_write(Session)


def _rows() -> QuerySet[Session]:
    return Session.objects.using(_alias())


def _live(session_id: str) -> QuerySet[Session]:
    return _rows().filter(id=session_id, expires_at__gt=timezone.now())


def _insert(record: Record, *, ending: Collection[str], at_most: int | None) -> list[str]:
    """Add a row; return the ids of the user's oldest others, if there are more than ``at_most``."""
    try:
        if at_most is None:
            _rows().create(**record._asdict())
            return []
        others = _rows().filter(user=record.user_id).exclude(id__in=[*ending, record.id])
        oldest_last = others.order_by("-created_at", "-id")
        if not can_return(_alias()):
            _rows().create(**record._asdict())
        elif not _insert_and_look(record, oldest_last[at_most - 1 : at_most]):
            return []
        return list(oldest_last.values_list("id", flat=True)[at_most - 1 :])
    except IntegrityError as exc:
        raise CreateError from exc


def _insert_and_look(record: Record, beyond: QuerySet[Session, Any]) -> bool:
    """Add a row, and say whether there is one in ``beyond``, in one statement."""
    query = InsertQuery(Session)
    query.insert_values(Session._meta.concrete_fields, [Session(**record._asdict())])
    [(sql, parameters)] = query.get_compiler(beyond.db).as_sql()
    outer = _rows().query
    # As a subquery, it calls the table by another name, which MariaDB wants.
    surplus = Subquery(beyond.values("id")).resolve_expression(outer)
    ids, more = outer.get_compiler(beyond.db).compile(surplus)
    with connections[beyond.db].cursor() as cursor:
        cursor.execute(f"{sql} RETURNING {ids}", (*parameters, *more))
        return bool(cursor.fetchone()[0])


def can_return(alias: str) -> bool:
    """Say whether the database knows ``... RETURNING``, as SQLite, PostgreSQL and MariaDB do.

    Django asks the same of ``INSERT``; Oracle, which needs variables for it, is left out.
    """
    connection = connections[alias]
    return connection.features.can_return_columns_from_insert and connection.vendor != "oracle"


def _records(rows: QuerySet[Session]) -> list[Record]:
    return [Record._make(row) for row in rows.values_list(*Record._fields)]


def _first(rows: QuerySet[Session]) -> Record | None:
    return next(iter(_records(rows)), None)


def _take_ids(
    session_ids: Collection[str], reason: EndReason | None, *, successor: Record | None = None
) -> list[Record]:
    ids = sorted(session_ids)
    if len(ids) == 1:
        return _take(_rows().filter(id=ids[0]), reason, successor=successor)
    taken = (
        _take(_rows().filter(id__in=batch), reason, successor=successor) for batch in _batches(ids)
    )
    return list(chain.from_iterable(taken))


def _take(
    rows: QuerySet[Session], reason: EndReason | None, *, successor: Record | None = None
) -> list[Record]:
    """Delete the rows and return them: if two requests take the same row, one gets it."""
    if get_conf().KEEP_ENDED is None:
        return delete(rows, reason, successor)
    with transaction.atomic(using=_alias(), savepoint=False):
        taken = delete(rows, reason, successor)
        keep(taken, reason)
    return taken


def delete(
    rows: QuerySet[Session], reason: EndReason | None = None, successor: Record | None = None
) -> list[Record]:
    """Delete the rows and return them, without a record of their end."""
    if can_return(_alias()):
        return take(rows, reason=reason, successor=successor)
    with transaction.atomic(using=_alias(), savepoint=False):
        taken = _records(rows.select_for_update())
        _rows().filter(id__in=[record.id for record in taken]).delete()
    return taken


def _batches(ids: list[str]) -> Iterator[list[str]]:
    return (ids[start : start + BATCH_ROWS] for start in range(0, len(ids), BATCH_ROWS))


def _lock_ids(session_ids: Collection[str]) -> None:
    """Lock these rows in the order of their ids, before they are deleted in two steps."""
    list(_rows().filter(id__in=session_ids).order_by("id").select_for_update().values("id"))
