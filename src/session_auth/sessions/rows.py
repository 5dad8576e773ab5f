"""What an engine provides: the rows, and what may be done to them in one step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from session_auth.sessions.values import Record
from session_auth.signals import EndReason


class Rows(ABC):
    """The rows of all sessions.

    Each method is one step: all of it is done or nothing, whatever else happens at the same time.
    ``insert`` and ``adopt`` alone make rows. ``compare_and_set``, ``revise``, ``mark_seen``,
    ``mark_passive`` and ``rename`` treat a row whose ``expires_at`` has passed as if it were not
    there.

    What removes rows also writes the records of ended sessions (``SESSION_AUTH_KEEP_ENDED``), in
    the same step; the caller tells the world of them.

    Each raises ``StoreUnavailable`` when the store cannot be asked or cannot write.
    """

    def read(self, session_id: str) -> Record | None:
        """Return the row, also one that has expired, or ``None`` if there is none."""
        return self.read_with_user(session_id)[0]

    @abstractmethod
    def read_with_user(self, session_id: str) -> tuple[Record | None, Callable[[], Any] | None]:
        """Return what ``read`` does, and, where the user came with it, a call that makes them.

        A session that was proven before all of its user's sessions were ended is not there, also
        if its row is: see ``stamps``.
        """

    @abstractmethod
    def insert(
        self, record: Record, *, ending: Collection[str], at_most: int | None
    ) -> dict[EndReason, list[Record]]:
        """Add a row; remove those with the ids ``ending``, and the oldest of its user's others.

        ``at_most`` of the user's rows remain, however many are added at once. Returns the removed
        rows by the reason. Raises ``CreateError`` if the id is taken.
        """

    @abstractmethod
    def adopt(self, record: Record) -> None:
        """Add the row of a session of Django's, unless its user's sessions were ended before."""

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
        """Move the row to another id, and say whether there was one.

        Of ``proven``, the columns that tell of a proof are written in the same step.
        """

    @abstractmethod
    def remove_unseen(self, record: Record) -> bool:
        """Remove a row whose time is up, only if nobody has used it since ``record`` was read.

        Say whether it was removed.
        """

    @abstractmethod
    def remove_ids(self, session_ids: Collection[str], reason: EndReason) -> list[Record]:
        """Remove the rows and return them; an unknown id is a no-op."""

    @abstractmethod
    def remove_of_user(
        self, user_id: Any, reason: EndReason, *, only: str | None = None, but: str | None = None
    ) -> list[Record]:
        """Remove the rows of a user, ``only`` this one or all ``but`` this one; return them.

        Without ``only`` and ``but``, nothing that the user has proven until now opens a session any
        more: see ``stamps``.
        """

    @abstractmethod
    def remove_expired(self, *, at_most: int) -> list[Record]:
        """Remove some of the rows whose ``expires_at`` has passed, and return them."""

    @abstractmethod
    def remove_all(self, reason: EndReason) -> int:
        """Remove everybody's rows, as ``remove_of_user`` does; return how many there were."""

    @abstractmethod
    def when_final(self, call: Callable[[], None]) -> bool:
        """Call ``call`` once no rollback can undo what was done; say whether that was at once."""

    @abstractmethod
    def of_user(self, user_id: Any) -> list[Record]:
        """Return the rows of a user that have not expired, the last seen first."""
