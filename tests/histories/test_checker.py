"""The checker sees each kind of fault, and nothing where there is none."""

import pytest

from session_auth.keys import digest
from tests.histories.checker import Fault, check
from tests.histories.history import History, Kind, Loss, Operation, Outcome

DONE, REFUSED, UNKNOWN = Outcome.DONE, Outcome.REFUSED, Outcome.UNKNOWN


def did(kind: Kind, start: float, end: float, **more: object) -> Operation:
    """Return what alice did, at times that are told in seconds."""
    values = {"user": "alice", "outcome": DONE, "key": "one"} | more
    return Operation(kind=kind, start=start, end=end, **values)  # type: ignore[arg-type] # names


def logged_in(end: float = 1, key: str = "one", **more: object) -> Operation:
    return did(Kind.LOGIN, end - 0.5, end, key="", new_key=key, **more)


def answers(start: float, key: str = "one", **more: object) -> Operation:
    return did(Kind.PROBE, start, start + 0.1, key=key, is_alive=True, **more)


def is_gone(start: float, key: str = "one", **more: object) -> Operation:
    return did(Kind.PROBE, start, start + 0.1, key=key, is_alive=False, outcome=REFUSED, **more)


def lists(start: float, *keys: str) -> Operation:
    listed = frozenset(map(digest, keys))
    return did(Kind.LIST, start, start + 0.1, key="two", is_alive=True, listed=listed)


def found(*operations: Operation, loss: Loss | None = None) -> list[Fault]:
    history = History(operations=list(operations), losses=[loss] if loss else [])
    return [violation.fault for violation in check(history)]


ENDS = {
    "logout": did(Kind.LOGOUT, 2, 3),
    "login in the same browser": did(Kind.LOGIN, 2, 3, new_key="three"),
    "password proven": did(Kind.PROVE, 2, 3, new_key="three"),
    "end by id": did(Kind.END_ONE, 2, 3, key="two", target=digest("one")),
    "end of the others": did(Kind.END_OTHERS, 2, 3, key="two"),
    "end of all": did(Kind.END_ALL, 2, 3, key=""),
    "password changed": did(
        Kind.CHANGE_PASSWORD, 2, 3, key="two", new_key="three", version=1, is_committed=True
    ),
    "password changed, and 503": did(
        Kind.CHANGE_PASSWORD, 2, 3, key="two", version=1, is_committed=True, outcome=UNKNOWN
    ),
    "password changed, and 401": did(
        Kind.CHANGE_PASSWORD, 2, 3, key="two", version=1, is_committed=True, outcome=REFUSED
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_has_ended_must_not_answer(end: Operation) -> None:
    assert found(logged_in(), end, is_gone(4)) == []
    assert found(logged_in(), end, answers(4)) == [Fault.CAME_BACK]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_is_being_ended_may_answer_or_not(end: Operation) -> None:
    assert found(logged_in(), end, answers(2.5)) == []
    assert found(logged_in(), end, is_gone(2.5)) == []


def test_an_answer_of_503_has_ended_a_session_or_not() -> None:
    end = did(Kind.LOGOUT, 2, 3, outcome=UNKNOWN)

    assert found(logged_in(), end, answers(4)) == []
    assert found(logged_in(), end, is_gone(4)) == []


def test_nothing_excuses_that_a_session_comes_back() -> None:
    loss = Loss(name="all", start=3, end=3.5, back_to=0)

    end = ENDS["logout"]
    assert found(logged_in(), end, answers(4), loss=loss) == [Fault.CAME_BACK]


def test_what_nothing_has_ended_must_answer() -> None:
    assert found(logged_in(), is_gone(4)) == [Fault.WAS_LOST]
    assert found(logged_in(), did(Kind.LOGOUT, 2, 3, outcome=REFUSED), is_gone(4)) == [
        Fault.WAS_LOST
    ]


def test_a_session_that_is_being_opened_may_not_be_there_yet() -> None:
    assert found(logged_in(), is_gone(0.95)) == []


def test_a_change_of_the_password_that_was_rolled_back_ends_nothing() -> None:
    change = did(Kind.CHANGE_PASSWORD, 2, 3, key="two", version=1, outcome=UNKNOWN)

    assert found(logged_in(), change, is_gone(4)) == [Fault.WAS_LOST]


def test_a_login_with_the_old_password_opens_nothing_after_the_change() -> None:
    change, late = ENDS["password changed"], logged_in(3.5)

    assert found(change, late, answers(4)) == [Fault.CAME_BACK]
    assert found(change, late, is_gone(4)) == []
    assert found(change, logged_in(3.5, version=1), answers(4)) == []
    assert found(change, logged_in(2.5, version=1), is_gone(4)) == []


def test_a_session_that_has_got_a_new_key_goes_on() -> None:
    renewed = did(Kind.PROVE, 2, 3, new_key="three")

    assert found(logged_in(), renewed, answers(4, "three")) == []
    assert found(logged_in(), renewed, is_gone(4, "three")) == [Fault.WAS_LOST]


def test_a_proof_that_is_refused_has_moved_the_session_if_all_are_ended_meanwhile() -> None:
    proof = did(Kind.PROVE, 2, 3, outcome=REFUSED)
    end = did(Kind.END_OTHERS, 2.8, 4, key="two")

    assert found(logged_in(), proof, end, is_gone(2.5)) == []
    assert found(logged_in(), proof, is_gone(2.5)) == [Fault.WAS_LOST]
    assert found(logged_in(), proof, end, is_gone(1.5)) == [Fault.WAS_LOST]
    refused = did(Kind.END_OTHERS, 2.8, 4, key="two", outcome=REFUSED)
    assert found(logged_in(), proof, refused, is_gone(2.5)) == [Fault.WAS_LOST]


def test_a_login_at_the_same_time_is_before_or_after_the_end_of_all() -> None:
    end = did(Kind.END_ALL, 0.8, 3, key="")

    assert found(logged_in(), end, answers(4)) == []
    assert found(logged_in(), end, is_gone(4)) == []


def test_a_session_does_not_come_and_go() -> None:
    end = did(Kind.LOGOUT, 2, 3, outcome=UNKNOWN)

    assert found(logged_in(), end, is_gone(4), answers(5)) == [Fault.FLICKERED]


def test_a_loss_excuses_what_is_younger_than_it_spares() -> None:
    spares_it = Loss(name="fail-over", start=3, end=3.5, back_to=2)
    does_not = Loss(name="fail-over", start=3, end=3.5, back_to=0.9)

    assert found(logged_in(), is_gone(4), loss=spares_it) == [Fault.WAS_LOST]
    assert found(logged_in(), is_gone(4), answers(5), loss=does_not) == []


def test_where_replicas_are_waited_for_a_loss_excuses_saves_alone() -> None:
    loss = Loss(name="fail-over", start=3, end=3.5, back_to=0.9, of_saves_alone=True)

    assert found(logged_in(), is_gone(4), loss=loss) == [Fault.WAS_LOST]
    assert found(logged_in(), wrote(2, 1), saw(4), loss=loss) == []


def test_lists_show_what_lives_and_nothing_else() -> None:
    two, end = logged_in(key="two"), ENDS["logout"]

    assert found(logged_in(), two, lists(4, "one", "two")) == []
    assert found(logged_in(), two, lists(4, "two")) == [Fault.NOT_LISTED]
    assert found(logged_in(), two, end, lists(4, "two")) == []
    assert found(logged_in(), two, end, lists(4, "one", "two")) == [Fault.LISTED_AFTER_END]


def wrote(start: float, value: int, outcome: Outcome = DONE, name: str = "a") -> Operation:
    return did(Kind.SAVE, start, start + 0.1, wrote={name: value}, outcome=outcome)


def saw(start: float, **values: int) -> Operation:
    return answers(start, saw=values)


def test_a_save_is_kept() -> None:
    assert found(logged_in(), wrote(2, 1), saw(3, a=1)) == []
    assert found(logged_in(), wrote(2, 1), saw(3)) == [Fault.SAVE_WAS_LOST]
    assert found(logged_in(), wrote(2, 1), wrote(3, 2), saw(4, a=1)) == [Fault.SAVE_WAS_LOST]
    assert found(logged_in(), wrote(2, 1), wrote(2.05, 2), saw(4, a=1)) == []
    assert found(logged_in(), wrote(2, 1), wrote(2, 2, name="b"), saw(4, b=2)) == [
        Fault.SAVE_WAS_LOST
    ]


def test_a_save_that_was_answered_by_503_may_take_effect_later() -> None:
    late = wrote(2, 1, UNKNOWN)

    assert found(logged_in(), late, wrote(3, 2), saw(4, a=1)) == []
    assert found(logged_in(), late, saw(4)) == []


def test_a_value_comes_from_somewhere() -> None:
    assert found(logged_in(), saw(3, a=1), wrote(4, 1)) == [Fault.FROM_NOWHERE]
    assert found(logged_in(), wrote(2, 1, REFUSED), wrote(2, 2), saw(3, a=1)) == [
        Fault.FROM_NOWHERE
    ]


def test_a_violation_says_what_was_done() -> None:
    broken = did(Kind.PROBE, 2, 3, outcome=Outcome.BROKEN, note="500 WSGI")

    [violation] = check(History(operations=[logged_in(), broken]))
    assert str(violation) == (
        "an answer that nobody should get:\n  2.0000 to 3.0000 PROBE BROKEN alice key one 500 WSGI"
    )
    [violation] = check(History(operations=[logged_in(), ENDS["logout"], answers(4, note="200")]))
    assert str(violation) == (
        "a session answered after its end was acknowledged:\n"
        "  4.0000 to 4.1000 PROBE DONE alice key one 200\n"
        "  after 2.0000 to 3.0000 LOGOUT DONE alice key one"
    )
