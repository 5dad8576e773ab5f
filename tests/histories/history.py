"""What clients did, and when: the operations of a history, each with its start and its end."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class Kind(Enum):
    LOGIN = auto()
    """Opens ``new_key``, and ends the session of ``key`` if the browser had one."""

    PROVE = auto()
    """Proves the password once more, which moves the session from ``key`` to ``new_key``."""

    CHANGE_PASSWORD = auto()
    """Moves the session from ``key`` to ``new_key`` and ends all others of the user."""

    PROBE = auto()
    SAVE = auto()
    LIST = auto()
    LOGOUT = auto()
    END_ONE = auto()
    """Ends the session ``target``, an id."""

    END_OTHERS = auto()
    END_ALL = auto()


class Outcome(Enum):
    DONE = auto()
    REFUSED = auto()
    """A clear no: nothing was done."""

    UNKNOWN = auto()
    """503: it may have been done, or be done later, or never."""

    BROKEN = auto()
    """An answer that nobody should get, a 500 say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    kind: Kind
    user: str
    outcome: Outcome
    start: float
    end: float
    key: str = ""
    """The key that was sent."""

    new_key: str = ""
    target: str = ""
    is_alive: bool | None = None
    """What the answer said of the session of ``key``, if it said anything."""

    version: int = 0
    """That of the password with which this was done, or to which it was changed."""

    is_committed: bool = False
    """Whether a change of the password is in the database, whatever was answered."""

    wrote: Mapping[str, int] = field(default_factory=dict)
    saw: Mapping[str, int] | None = None
    """The data of the session, if the answer had them."""

    listed: frozenset[str] = frozenset()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A fault after which a store may lack what it acknowledged: never an end, though.

    What was acknowledged before ``back_to`` is kept.
    """

    name: str
    start: float
    end: float
    back_to: float
    of_saves_alone: bool = False
    """Whether it loses no session that was opened, as where replicas are waited for."""


@dataclass(frozen=True, slots=True)
class History:
    operations: list[Operation] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


now = time.monotonic
