"""Is a history one that the promises allow?

Operations overlap, so the order in which they took effect is known of those alone of which one
ended before the other started. What the checker calls a violation has no order that could explain
it. It asks four things:

1. **An end is final.** After an operation that ends a session was acknowledged, no operation that
   starts later is answered as by that session, and no list shows it. What ends a session: a logout,
   a login in the same browser, an end by id, an end of the others, an end of all, and a change of
   the password, which ends whatever was opened with an older one, even if its own answer was 503. A
   key that was replaced by a new one has ended, too. A change of the password, or a proof, whose
   session has ended before its answer is answered by 401, but the key was replaced.
2. **What was acknowledged is kept.** A session whose opening was acknowledged answers until
   something may have ended it, and stands in each list. 503 is no answer and says nothing. A change
   of the password that was rolled back ends nothing.
3. **A save is kept.** Whoever reads later sees the value that was saved, or a later one.
4. **No answer is broken**: a 500, or another user's name.

A fault that loses what a store has acknowledged (``Loss``) excuses 2 and 3 for what is younger than
what it spares; 3 alone, where replicas are waited for. Nothing excuses 1.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from math import inf

from session_auth.keys import digest
from tests.histories.history import History, Kind, Loss, Operation, Outcome

PAGE = 100
"""How many sessions a list shows at most."""

ENDING_ALL = {Kind.END_OTHERS, Kind.END_ALL, Kind.CHANGE_PASSWORD}


class Fault(Enum):
    CAME_BACK = "a session answered after its end was acknowledged"
    LISTED_AFTER_END = "a list shows a session after its end was acknowledged"
    FLICKERED = "a session answered after it had been called ended"
    WAS_LOST = "a session that nothing had ended was not there"
    NOT_LISTED = "a list lacks a session that nothing had ended"
    SAVE_WAS_LOST = "a value was not there, or an older one was, after a save was acknowledged"
    FROM_NOWHERE = "a value was there that nobody had saved"
    BROKE = "an answer that nobody should get"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    fault: Fault
    operation: Operation
    because: Operation | None = None
    """The operation after which it must not happen."""

    def __str__(self) -> str:
        because = f"\n  after {_in_short(self.because)}" if self.because else ""
        return f"{self.fault.value}:\n  {_in_short(self.operation)}{because}"


@dataclass(slots=True, kw_only=True)
class Life:
    """What is known of one key."""

    opening: Operation
    lineage: str
    """The key of the login, from which the session moved to this one."""

    ended: float = inf
    """From when on it must not answer: when its end was acknowledged, at the earliest."""

    ended_by: Operation | None = None
    was_opening: bool = False
    """Whether its login was still on its way: then it opens nothing, but a list may show it."""

    may_end: float = inf
    """Until when it must answer: something that may have ended it started then."""

    observed: list[Operation] = field(default_factory=list)

    def end_by(self, operation: Operation, *, surely: bool) -> None:
        self.may_end = min(self.may_end, operation.start)
        # An end of a session that is just being opened counts from when both are done.
        since = max(operation.end, self.opening.end)
        if surely and since < self.ended:
            self.ended, self.ended_by = since, operation
            self.was_opening = operation.start < self.opening.end


def check(history: History) -> list[Violation]:
    lives = _lives(history)
    found = [
        Violation(fault=Fault.BROKE, operation=each)
        for each in history.operations
        if each.outcome is Outcome.BROKEN
    ]
    by_user = defaultdict(list)
    for life in lives.values():
        by_user[life.opening.user].append(life)
        found += _check_life(life, history)
    found += _check_saves(lives, history)
    for operation in history.operations:
        if operation.kind is Kind.LIST and operation.outcome is Outcome.DONE:
            found += _check_list(operation, by_user[operation.user], history)
    return found


def _lives(history: History) -> dict[str, Life]:
    lives: dict[str, Life] = {}
    for operation in sorted(history.operations, key=lambda each: each.end):
        if operation.new_key and operation.outcome is Outcome.DONE:
            before = lives.get(operation.key) if operation.kind is not Kind.LOGIN else None
            lineage = before.lineage if before else operation.new_key
            lives[operation.new_key] = Life(opening=operation, lineage=lineage)
    by_id = {digest(key): life for key, life in lives.items()}
    by_user = defaultdict(list)
    for key, life in lives.items():
        by_user[life.opening.user].append((key, life))
    for operation in history.operations:
        if operation.is_alive is not None and operation.key in lives:
            lives[operation.key].observed.append(operation)
        if operation.outcome is not Outcome.REFUSED or operation.is_committed:
            _apply(operation, lives, by_id, by_user[operation.user])
        elif operation.kind is Kind.PROVE and _may_have_moved(operation, lives, history):
            lives[operation.key].end_by(operation, surely=False)
    return lives


def _may_have_moved(proof: Operation, lives: dict[str, Life], history: History) -> bool:
    """Say whether a refused proof may have given the session a key, which was ended at once.

    Nobody has been told that key, so only what ends all sessions of the user can have ended it.
    """
    return proof.key in lives and any(
        each.user == proof.user
        and each.kind in ENDING_ALL
        and (each.outcome is not Outcome.REFUSED or each.is_committed)
        and each.start < proof.end
        and proof.start < each.end
        for each in history.operations
    )


def _apply(
    operation: Operation,
    lives: dict[str, Life],
    by_id: dict[str, Life],
    of_user: list[tuple[str, Life]],
) -> None:
    """Note which sessions this operation has ended, or may have ended."""
    done = operation.outcome is Outcome.DONE
    match operation.kind:
        case Kind.LOGOUT | Kind.PROVE | Kind.LOGIN if operation.key in lives:
            lives[operation.key].end_by(operation, surely=done)
        case Kind.END_ONE if operation.target in by_id:
            by_id[operation.target].end_by(operation, surely=done)
        case Kind.END_OTHERS | Kind.END_ALL:
            kept = operation.key if operation.kind is Kind.END_OTHERS else ""
            for key, life in of_user:
                if key != kept and life.opening.start < operation.end:
                    surely = done and life.opening.end < operation.start
                    life.end_by(operation, surely=surely)
        case Kind.CHANGE_PASSWORD if operation.is_committed:
            for key, life in of_user:
                if key != operation.new_key and life.opening.version < operation.version:
                    life.end_by(operation, surely=True)
                elif key != operation.new_key and life.opening.start < operation.end:
                    life.end_by(operation, surely=False)


def _check_life(life: Life, history: History) -> Iterator[Violation]:
    called_ended, losses = None, history.losses
    for each in sorted(life.observed, key=lambda each: each.end):
        if each.is_alive and each.start > life.ended:
            yield Violation(fault=Fault.CAME_BACK, operation=each, because=life.ended_by)
        elif each.is_alive:
            if _is_after(called_ended, each) and not _is_excused(life.opening, each, losses):
                yield Violation(fault=Fault.FLICKERED, operation=each, because=called_ended)
        elif life.opening.end < each.start:
            called_ended = called_ended or each
            if each.end < life.may_end and not _is_excused(life.opening, each, losses):
                yield Violation(fault=Fault.WAS_LOST, operation=each, because=life.opening)


def _is_after(first: Operation | None, second: Operation) -> bool:
    return first is not None and first.end < second.start


def _is_excused(kept: Operation, seen: Operation, losses: list[Loss]) -> bool:
    """Say whether a fault may have lost what ``kept`` acknowledged, before ``seen``."""
    return any(
        loss.back_to < kept.end and kept.start < loss.end and loss.start < seen.end
        for loss in losses
        if kept.kind is Kind.SAVE or not loss.of_saves_alone
    )


def _check_list(operation: Operation, lives: list[Life], history: History) -> Iterator[Violation]:
    for life in lives:
        opening = life.opening
        is_listed = digest(opening.new_key) in operation.listed
        if is_listed and operation.start > life.ended and not life.was_opening:
            yield Violation(
                fault=Fault.LISTED_AFTER_END, operation=operation, because=life.ended_by
            )
        elif (
            not is_listed
            and len(operation.listed) < PAGE
            and opening.end < operation.start
            and operation.end < life.may_end
            and not _is_excused(opening, operation, history.losses)
        ):
            yield Violation(fault=Fault.NOT_LISTED, operation=operation, because=opening)


def _check_saves(lives: dict[str, Life], history: History) -> Iterator[Violation]:
    writes: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    known = [each for each in history.operations if each.key in lives]
    for operation in known:
        if operation.outcome in {Outcome.DONE, Outcome.UNKNOWN}:
            for name in operation.wrote:
                writes[lives[operation.key].lineage, name].append(operation)
    for operation in known:
        if operation.saw is None:
            continue
        for name in {name for lineage, name in writes if lineage == lives[operation.key].lineage}:
            those = writes[lives[operation.key].lineage, name]
            yield from _check_value(operation, name, those, history.losses)


def _check_value(
    read: Operation, name: str, writes: list[Operation], losses: list[Loss]
) -> Iterator[Violation]:
    value = (read.saw or {}).get(name)
    source = next((each for each in writes if each.wrote[name] == value), None)
    if value is not None and (source is None or source.start > read.end):
        yield Violation(fault=Fault.FROM_NOWHERE, operation=read)
        return
    # What was answered by 503 may still take effect at any time.
    written = -inf if source is None else source.end
    if source is not None and source.outcome is Outcome.UNKNOWN:
        written = inf
    for each in writes:
        if (
            each.outcome is Outcome.DONE
            and written < each.start
            and each.end < read.start
            and not _is_excused(each, read, losses)
        ):
            yield Violation(fault=Fault.SAVE_WAS_LOST, operation=read, because=each)
            return


def _in_short(operation: Operation) -> str:
    parts = [
        f"{operation.start:.4f} to {operation.end:.4f}",
        operation.kind.name,
        operation.outcome.name,
        operation.user,
        f"key {operation.key[-6:]}",
        f"new {operation.new_key[-6:]}" * bool(operation.new_key),
        f"wrote {dict(operation.wrote)}" * bool(operation.wrote),
        "" if operation.saw is None else f"saw {dict(operation.saw)}",
        operation.note,
    ]
    return " ".join(filter(None, parts))
