"""What an engine stores and what is worked out from it: values, without behaviour."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, NamedTuple


class State(Enum):
    """Where a session stands between its key and its row."""

    UNREAD = auto()
    """The key came from a client: what it opens is not known yet."""

    NEW = auto()
    """There is no row. Saving makes one."""

    STORED = auto()
    """There was a row when it was last looked up. Saving never makes another."""

    FLUSHED = auto()
    """This request has ended the session: its cookie has to go. Saving makes a new one."""


class Record(NamedTuple):
    """A session as it stands in the store, with the columns in their order there.

    ``version`` counts its writes. ``methods`` is a JSON object: each way in which its user proved
    who they are, and when last.
    """

    id: str
    user_id: Any
    data: str
    version: int
    created_at: datetime
    authenticated_at: datetime | None
    methods: str
    last_seen_at: datetime
    expires_at: datetime
    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """When a session ends: ``idle`` moves with each activity, ``absolute`` never does.

    ``idle`` is ``None`` for a session with a fixed end, set by ``set_expiry()``.
    """

    idle: datetime | None
    absolute: datetime

    @property
    def first(self) -> datetime:
        return self.absolute if self.idle is None else min(self.idle, self.absolute)
