"""The findings of the doctor, and their levels."""

from dataclasses import dataclass
from enum import StrEnum

SHOWN_CHARACTERS = 400


class Level(StrEnum):
    """What a finding means, the worst last."""

    PASS = "pass"  # noqa: S105 # no password
    SKIP = "skip"
    """It could not be looked at, or there was nothing to look at."""

    INFO = "info"
    WARN = "warn"
    FAIL = "fail"

    @property
    def severity(self) -> int:
        return list(Level).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: what should be, what was seen, and what to do if it differs.

    ``id`` stays the same in every release; the sentences may change.
    """

    id: str
    level: Level
    subject: str
    seen: str
    hint: str = ""


def judged(
    is_fine: bool,
    *,
    id: str,  # noqa: A002 # as in Finding
    subject: str,
    seen: str,
    hint: str,
    otherwise: Level = Level.FAIL,
) -> Finding:
    """Return a finding that passes, or one with a hint."""
    if is_fine:
        return Finding(id=id, level=Level.PASS, subject=subject, seen=seen)
    return Finding(id=id, level=otherwise, subject=subject, seen=seen, hint=hint)


def printable(text: str) -> str:
    """Return the start of what a stranger sent, without control characters for a terminal."""
    cut = text[:SHOWN_CHARACTERS]
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cut
    )
    return shown + ("..." if len(text) > SHOWN_CHARACTERS else "")
