"""Sessions that are in no table, as Django's admin asks for those that are in one."""

from collections.abc import Callable, Collection, Iterator
from operator import attrgetter, ge, gt, le, lt
from types import SimpleNamespace
from typing import Any, Self

from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Q

from session_auth.keys import is_session_id
from session_auth.models import Session
from session_auth.sessions.listing import kept_rows
from session_auth.sessions.rows import Rows
from session_auth.sessions.values import Record

LOOKED_AT = 1000
"""How many sessions are looked through where no id and no user says which they are."""

LOOKUPS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": lambda value, wanted: str(value) == str(wanted),
    "in": lambda value, wanted: str(value) in set(map(str, wanted)),
    "isnull": lambda value, wanted: (value is None) is bool(wanted),
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
}
COLUMNS = {"pk": "id", "user": "user_id"} | {name: name for name in Record._fields}


class AtLeast(int):
    """A count that was cut: it is shown as ``1000+``, say."""

    def __str__(self) -> str:
        return f"{int(self)}+"


class StoredSessions:
    """A queryset of ``Session``, as far as the admin needs one: the rows come from the engine."""

    model = Session
    verbose_name = Session._meta.verbose_name
    verbose_name_plural = Session._meta.verbose_name_plural
    ordered = totally_ordered = True

    def __init__(self) -> None:
        self.query = SimpleNamespace(order_by=(), select_related=True)
        self.db = router.db_for_read(Session)
        self._ids: Collection[str] | None = None
        self._user_ids: Collection[Any] | None = None
        self._tests: tuple[Callable[[Session], bool], ...] = ()
        self._order: tuple[str, ...] = ()
        self._bounds = slice(None)
        self._found: list[Session] | None = None
        self._is_capped = False

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        return self._narrowed(Q(*conditions, **lookups), is_wanted=True)

    def exclude(self, condition: Q) -> Self:
        return self._narrowed(condition, is_wanted=False)

    def order_by(self, *names: str) -> Self:
        return self._but(_order=names)

    def get(self, **lookups: Any) -> Session:
        for session in self.filter(**lookups):
            return session
        raise Session.DoesNotExist

    def values_list(self, name: str, *, flat: bool) -> list[Any]:
        return [getattr(session, name) for session in self]

    def count(self) -> int:
        found = len(self)
        return AtLeast(found) if self._is_capped else found

    def _clone(self) -> Self:  # as the admin calls it
        return self._but()

    def __getitem__(self, bounds: slice) -> Self:
        return self._but(_bounds=bounds)

    def __len__(self) -> int:
        return len(self._sessions())

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions())

    def _but(self, **attributes: Any) -> Self:
        other = type(self)()
        vars(other).update(vars(self) | {"_found": None} | attributes)
        return other

    def _narrowed(self, condition: Q, *, is_wanted: bool) -> Self:
        found = self._but()
        for lookup, wanted in _lookups(condition):
            name, _, kind = lookup.partition("__")
            if name not in COLUMNS or (kind or "exact") not in LOOKUPS:
                raise ValueError(f"Sessions cannot be looked for by '{lookup}'.")
            column, matches = COLUMNS[name], LOOKUPS[kind or "exact"]
            if is_wanted and column in ("id", "user_id") and kind in ("", "exact", "in"):
                values = list(wanted) if kind == "in" else [wanted]
                vars(found)["_ids" if column == "id" else "_user_ids"] = values
            found._tests += (_test(column, matches, wanted, is_wanted=is_wanted),)
        return found

    def _sessions(self) -> list[Session]:
        if self._found is None:
            self._found = self._look()[self._bounds]
        return self._found

    def _look(self) -> list[Session]:
        names, rows = Record._fields, kept_rows()
        found = [Session.from_db(self.db, names, record) for record in self._records(rows)]
        sessions = [each for each in found if all(test(each) for test in self._tests)]
        for name in reversed(self._order):
            column = COLUMNS[name.removeprefix("-")]
            sessions.sort(key=_comparable(column), reverse=name.startswith("-"))
        users = _users_by_key({each.user_id for each in sessions} - {None})
        for session in sessions:
            Session._meta.get_field("user").set_cached_value(session, users.get(session.user_id))
        return sessions

    def _records(self, rows: Rows) -> list[Record]:
        if self._ids is not None:
            return rows.read_many([each for each in self._ids if is_session_id(each)])
        records = rows.some(at_most=LOOKED_AT, user_ids=self._user_ids)
        self._is_capped = len(records) == LOOKED_AT
        return records


def _lookups(condition: Q) -> Iterator[tuple[str, Any]]:
    """Yield what all must hold."""
    if condition.negated or (condition.connector != Q.AND and len(condition) > 1):
        raise ValueError("Sessions cannot be looked for by alternatives.")
    children: list[Any] = condition.children
    for each in children:
        if isinstance(each, Q):
            yield from _lookups(each)
        else:
            yield each


def _test(
    column: str, matches: Callable[[Any, Any], bool], wanted: Any, *, is_wanted: bool
) -> Callable[[Session], bool]:
    return lambda session: matches(getattr(session, column), wanted) is is_wanted


def _comparable(column: str) -> Callable[[Session], Any]:
    """Return a key for sorting, by which ``None`` comes first."""
    value_of = attrgetter(column)
    return lambda session: (value_of(session) is not None, value_of(session) or 0)


def _users_by_key(keys: Collection[Any]) -> dict[Any, Any]:
    users = get_user_model()
    return users._base_manager.using(router.db_for_read(users)).in_bulk(list(keys))
