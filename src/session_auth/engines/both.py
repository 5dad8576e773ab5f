"""Two engines at once, while sessions move from one to the other, or back.

A session is served where it is. It never is in both: its move is one step, which commits in SQL. So
whoever looks in the first store, then in the other, and then in the first again, finds it, though
it moves meanwhile in either direction.

Processes with either order may run at the same time: that is how a site is deployed. What ends
several sessions is a step in each store; if the second fails, the caller is told, and does both
again.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from session_auth.sessions.rows import Flaw, Position, Rows
from session_auth.sessions.values import Record
from session_auth.signals import EndReason


class Move(Protocol):
    """How the sessions of one store come into the other."""

    source: str
    target: str
    """What people call the stores."""

    def count(self) -> int:
        """Return how many sessions have not moved and live."""

    def run(self, *, batch: int) -> Iterator[int]:
        """Move them, so many at a time; yield how many have moved in each step.

        Whoever stops it, or kills it, has lost nothing, and runs it again.
        """


class BothRows(Rows):
    """The rows of two engines; ``home`` gets the new ones."""

    def __init__(self, home: Rows, other: Rows, *, move: Move) -> None:
        self.move = move
        self._home, self._other = home, other
        self._where = (home, other, home)

    def flaws(self) -> list[Flaw] | None:
        found = (rows.flaws() for rows in (self._home, self._other))
        return next((flaws for flaws in found if flaws is not None), None)

    def read_with_user(
        self, session_id: str, fetched: Sequence[Any] | None = None
    ) -> tuple[Record | None, Callable[[], Any] | None]:
        for rows in self._where:
            found = rows.read_with_user(session_id)
            if found[0] is not None:
                break
        return found

    def read_many(self, session_ids: Collection[str]) -> list[Record]:
        found: dict[str, Record] = {}
        for rows in self._where:
            left = [each for each in session_ids if each not in found]
            if left:
                found |= {record.id: record for record in rows.read_many(left)}
        return list(found.values())

    def insert(
        self, record: Record, *, ending: Collection[str], at_most: int | None
    ) -> dict[EndReason, list[Record]]:
        ended = self._home.insert(record, ending=ending, at_most=at_most)
        for rows in (self._other, self._home):
            replaced = rows.remove_ids(ending, EndReason.REPLACED)
            ended[EndReason.REPLACED] = [*ended.get(EndReason.REPLACED, []), *replaced]
        if at_most is not None and record.user_id is not None:
            evicted = self._evict(record, at_most)
            ended[EndReason.EVICTED] = [*ended.get(EndReason.EVICTED, []), *evicted]
        return ended

    def _evict(self, record: Record, at_most: int) -> list[Record]:
        """End the oldest sessions of a user, if they are too many in both stores together."""
        elsewhere = self._other.of_user(record.user_id)
        if not elsewhere:
            return []
        there = self._home.of_user(record.user_id, but=record.id)
        oldest_last = sorted(
            {each.id: each for each in (*elsewhere, *there)}.values(),
            key=lambda each: (each.created_at, each.id),
            reverse=True,
        )
        surplus = [each.id for each in oldest_last[at_most - 1 :]]
        return self.remove_ids(surplus, EndReason.EVICTED)

    def take_back(self, record: Record) -> None:
        self._home.take_back(record)

    def adopt(self, record: Record, *, old_key: str) -> None:
        self._home.adopt(record, old_key=old_key)

    def compare_and_set(self, record: Record, *, version: int) -> bool:
        return any(rows.compare_and_set(record, version=version) for rows in self._where)

    def revise(self, session_id: str, change: Callable[[Record], Record]) -> Record | None:
        revised = (rows.revise(session_id, change) for rows in self._where)
        return next((record for record in revised if record is not None), None)

    def mark_seen(self, record: Record, *, since: datetime) -> bool:
        return any(rows.mark_seen(record, since=since) for rows in self._where)

    def mark_passive(self, record: Record, *, since: datetime) -> bool:
        return any(rows.mark_passive(record, since=since) for rows in self._where)

    def rename(
        self, session_id: str, new_id: str, *, proven: Record | None = None, methods: str = ""
    ) -> bool:
        return any(
            rows.rename(session_id, new_id, proven=proven, methods=methods) for rows in self._where
        )

    def remove_unseen(self, record: Record) -> bool:
        return any(rows.remove_unseen(record) for rows in self._where)

    def remove_ids(self, session_ids: Collection[str], reason: EndReason) -> list[Record]:
        if not session_ids:
            return []
        removed = (rows.remove_ids(session_ids, reason) for rows in self._where)
        return [record for records in removed for record in records]

    def remove_of_user(
        self, user_id: Any, reason: EndReason, *, only: str | None = None, but: str | None = None
    ) -> list[Record]:
        removed = (rows.remove_of_user(user_id, reason, only=only, but=but) for rows in self._where)
        return [record for records in removed for record in records]

    def remove_expired(self, *, at_most: int) -> list[Record]:
        return self._home.remove_expired(at_most=at_most) or self._other.remove_expired(
            at_most=at_most
        )

    def remove_all(self, reason: EndReason) -> int:
        # Not a third time, which would write the stamps of all users again.
        return self._other.remove_all(reason) + self._home.remove_all(reason)

    def some(self, *, at_most: int, user_ids: Collection[Any] | None = None) -> list[Record]:
        found = {
            record.id: record
            for rows in (self._home, self._other)
            for record in rows.some(at_most=at_most, user_ids=user_ids)
        }
        return list(found.values())[:at_most]

    def when_final(self, call: Callable[[], None]) -> bool:
        return self._home.when_final(call)

    def of_user(
        self,
        user_id: Any,
        *,
        at_most: int | None = None,
        after: Position | None = None,
        but: str | None = None,
    ) -> list[Record]:
        found = {
            record.id: record
            for rows in self._where
            for record in rows.of_user(user_id, at_most=at_most, after=after, but=but)
        }
        living = sorted(found.values(), key=lambda record: record.id)
        living.sort(key=lambda record: record.last_seen_at, reverse=True)
        return living[:at_most]

    def can_listen(self) -> bool:
        return False  # each store tells of the ends in it alone

    def listen(self) -> Iterator[str | None]:
        raise NotImplementedError  # nobody calls it where can_listen() says no

    def tell(self, text: str) -> None:
        raise NotImplementedError  # likewise
