"""What an engine provides: the rows, and what may be done to them in one step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from session_auth.sessions.values import Record
from session_auth.signals import EndReason


class Rows(ABC):
    """The rows of all sessions. Each method is atomic; only ``insert`` makes a row.

    ``compare_and_set``, ``revise``, ``mark_seen``, ``mark_passive`` and ``rename`` spare a row
    whose time is up.

    Each raises ``StoreUnavailable`` when the store cannot be asked.
    """

    def read(self, session_id: str) -> Record | None:
        """Return the row, its time being up or not, or ``None`` if there is none."""
        return self.read_with_user(session_id)[0]

    @abstractmethod
    def read_with_user(self, session_id: str) -> tuple[Record | None, Callable[[], Any] | None]:
        """Return what ``read`` does, and, where the user came with it, a call that makes them."""

    @abstractmethod
    def insert(
        self, record: Record, *, ending: Collection[str], at_most: int | None
    ) -> dict[EndReason, list[Record]]:
        """Add a row; delete those with the ids ``ending``, and the oldest of its user's others.

        ``at_most`` of the user's rows remain, however many are added at once. All of it is done, or
        nothing. Returns the deleted rows. Raises ``CreateError`` if the id is taken.
        """

    @abstractmethod
    def compare_and_set(self, record: Record, *, version: int) -> bool:
        """Write the row if it is still at ``version``, and say whether it was."""

    @abstractmethod
    def revise(self, session_id: str, change: Callable[[Record], Record]) -> Record | None:
        """Write and return ``change(row)``, with no write in between; ``None`` without a row."""

    @abstractmethod
    def mark_seen(self, record: Record, *, since: datetime) -> bool:
        """Write the columns for the last activity, unless some was recorded after ``since``.

        Say whether they were written. A time in the future counts as never recorded.
        """

    @abstractmethod
    def mark_passive(self, record: Record, *, since: datetime) -> bool:
        """Write who sent a passive request, unless such was recorded after ``since``.

        Say whether it was. The time at which the session ends stays what it is. A time in the
        future counts as never recorded.
        """

    @abstractmethod
    def rename(self, session_id: str, new_id: str, *, proven: Record | None = None) -> bool:
        """Move the row to another id in one step, and say whether there was one.

        Of ``proven``, the columns that tell of a proof are written in the same step.
        """

    @abstractmethod
    def remove_unseen(self, record: Record) -> bool:
        """Delete the row only if nobody has used the session since ``record`` was read.

        Say whether it was deleted.
        """

    @abstractmethod
    def remove_ids(self, session_ids: Collection[str]) -> list[Record]:
        """Delete the rows and return them; an unknown id is a no-op."""

    @abstractmethod
    def remove_of_user(
        self, user_id: Any, *, only: str | None = None, but: str | None = None
    ) -> list[Record]:
        """Delete the rows of a user, ``only`` this one or all ``but`` this one; return them."""

    @abstractmethod
    def remove_some(self, *, at_most: int, expired_only: bool = False) -> list[Record]:
        """Delete some rows, the next to expire first, and return them."""

    @abstractmethod
    def in_transaction(self) -> bool:
        """Say whether a rollback can still undo what is done now."""

    @abstractmethod
    def of_user(self, user_id: Any) -> list[Record]:
        """Return the rows of a user whose time is not up, the last seen first."""
