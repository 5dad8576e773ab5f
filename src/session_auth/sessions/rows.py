"""The contract of an engine: the rows of the sessions, and what can be done with them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from session_auth.sessions.values import Record
from session_auth.signals import EndReason

Position = tuple[datetime, str]
"""Where a row stands among those of its user: when it was last seen, and its id."""


class Flaw(NamedTuple):
    """Something that is set up wrongly in a store."""

    text: str
    is_fatal: bool = False
    """Whether nobody can log in until it is mended."""


class Rows(ABC):
    """The rows of all sessions.

    Each method is one step: it does all of its work or nothing, whatever other requests do at the
    same time. Only ``insert`` and ``adopt`` add rows. ``compare_and_set``, ``revise``,
    ``mark_seen``, ``mark_passive`` and ``rename`` ignore a row whose ``expires_at`` has passed.

    A method that removes rows also writes the records of ended sessions
    (``SESSION_AUTH_KEEP_ENDED``), in the same step. Its caller logs and signals the ends.

    Each method raises ``StoreUnavailable`` when the store cannot be reached or cannot write.
    """

    in_table: ClassVar[bool] = False
    """Whether they are those of the model ``Session``, where the admin looks at them."""

    def read(self, session_id: str) -> Record | None:
        """Return the row, even if it has expired; ``None`` if there is none."""
        return self.read_with_user(session_id)[0]

    def flaws(self) -> list[Flaw] | None:
        """Return what is set up wrongly in the store, for the doctor; ``None`` without a look."""
        return None

    async def fetch(self, session_id: str) -> Sequence[Any] | None:
        """Ask in the event loop what ``read_with_user()`` asks first, if this engine can.

        ``None`` if it cannot. If what it finds is empty, ``read_with_user()`` has nothing to ask.
        """
        return None

    @abstractmethod
    def read_with_user(
        self, session_id: str, fetched: Sequence[Any] | None = None
    ) -> tuple[Record | None, Callable[[], Any] | None]:
        """Return the row, and a function that makes its user if the user was read with it.

        A row does not count if all sessions of its user were ended after its login: see ``stamps``.
        ``fetched`` is what ``fetch()`` has found just before.
        """

    @abstractmethod
    def read_many(self, session_ids: Collection[str]) -> list[Record]:
        """Return the rows with these ids that are there, as ``read()`` does."""

    @abstractmethod
    def insert(
        self, record: Record, *, ending: Collection[str], at_most: int | None
    ) -> dict[EndReason, list[Record]]:
        """Add a row, and remove the rows with the ids ``ending``.

        Then remove the oldest rows of the same user until ``at_most`` remain, even if several are
        added at the same time; ``None`` is no limit. Return the removed rows by their reason.
        Raises ``CreateError`` if the id is taken.
        """

    def take_back(self, record: Record) -> None:
        """Remove a row that was added just now, and whose key nobody will be told."""
        self.remove_ids([record.id], EndReason.LOGOUT)

    @abstractmethod
    def adopt(self, record: Record, *, old_key: str) -> None:
        """Add the row of a session of another engine, and note that it was taken over.

        If that was noted before, or all sessions of the user were ended, this does nothing. The
        note keeps ``old_key`` (see ``adoption``).
        """

    @abstractmethod
    def compare_and_set(self, record: Record, *, version: int) -> bool:
        """Write the row if its version is still ``version``; say whether it was written."""

    @abstractmethod
    def revise(self, session_id: str, change: Callable[[Record], Record]) -> Record | None:
        """Replace the row by ``change(row)`` and return that; ``None`` if there is no row.

        Nobody else writes the row between the reading and the writing.
        """

    @abstractmethod
    def mark_seen(self, record: Record, *, since: datetime) -> bool:
        """Write when and from where the session was used, unless it was recorded after ``since``.

        Say whether it was written. A recorded time that lies in the future is overwritten.
        """

    @abstractmethod
    def mark_passive(self, record: Record, *, since: datetime) -> bool:
        """Write from where a passive request came, unless one was recorded after ``since``.

        Say whether it was written. The time at which the session ends stays as it is. A recorded
        time that lies in the future is overwritten.
        """

    @abstractmethod
    def rename(
        self, session_id: str, new_id: str, *, proven: Record | None = None, methods: str = ""
    ) -> bool:
        """Give the row another id, and say whether there was a row.

        In the same step, write what ``proven`` has in the columns ``PROVEN``, if it is given. With
        ``methods``, do nothing if the row has others: a proof was taken back since it was read.
        """

    @abstractmethod
    def remove_unseen(self, record: Record) -> bool:
        """Remove a row that has timed out, if nobody has used it since ``record`` was read.

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

        Without ``only`` and ``but``, no login of the user that began before opens a session any
        more: see ``stamps``.
        """

    @abstractmethod
    def remove_expired(self, *, at_most: int) -> list[Record]:
        """Remove some of the rows whose ``expires_at`` has passed, and return them."""

    @abstractmethod
    def remove_all(self, reason: EndReason) -> int:
        """Remove everybody's rows, as ``remove_of_user`` does for one; return how many."""

    @abstractmethod
    def when_final(self, call: Callable[[], None]) -> bool:
        """Call ``call`` once no rollback can undo the step; say whether that was at once."""

    @abstractmethod
    def of_user(
        self,
        user_id: Any,
        *,
        at_most: int | None = None,
        after: Position | None = None,
        but: str | None = None,
    ) -> list[Record]:
        """Return the rows of a user that have not expired, the last seen first.

        Of these, return those that come ``after`` a position, without the row ``but``, and no more
        than ``at_most``.
        """

    @abstractmethod
    def some(self, *, at_most: int, user_ids: Collection[Any] | None = None) -> list[Record]:
        """Return some of the rows, of these users or of all, also if they have expired.

        For the admin, if ``in_table`` is not set, and to find sessions that have got another id.
        """

    @abstractmethod
    def can_listen(self) -> bool:
        """Say whether this engine tells other processes of ends, as ``bus`` says."""

    @abstractmethod
    def listen(self) -> Iterator[str | None]:
        """Yield each text that an engine tells in any process, from now on.

        Yield ``None`` once it listens, and then about once a second. Raise an exception when the
        connection is lost.
        """

    @abstractmethod
    def tell(self, text: str) -> None:
        """Let ``listen()`` yield this text in each process, once it is committed."""
