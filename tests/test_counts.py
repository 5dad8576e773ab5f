"""The rows that count guesses, in the SQL for this database, compared with a model."""

import time
from dataclasses import dataclass
from functools import partial

import pytest
import time_machine
from hypothesis import example, given
from hypothesis import strategies as st

from session_auth.exceptions import Throttled
from session_auth.guessing import counts
from session_auth.guessing.counts import Limit
from session_auth.models import GuessCount
from tests.clock import NOON
from tests.test_races import at_once

LIMITS = {
    "one": Limit(id="one", free=1, window_seconds=1000, kept_seconds=5000),
    "two": Limit(id="two", free=2, window_seconds=3000, kept_seconds=4000),
    "Two": Limit(id="Two", free=3, window_seconds=20_000, kept_seconds=20_000),
}


@dataclass
class Modelled:
    """What a row should be: failures in a row, failures in the window, and three times."""

    failures: int = 0
    in_window: int = 0
    next_at: int = 0
    window_ends_at: int = 0
    expires_at: int = 0

    def fail(self, limit: Limit, now: int) -> None:
        if self.window_ends_at <= now:
            self.in_window, self.window_ends_at = 0, now + limit.window_seconds
        self.failures += 1
        self.in_window += 1
        beyond = self.in_window - limit.free
        self.next_at = now + min(30 * 2**beyond, 3600) if beyond >= 0 else 0
        self.expires_at = max(self.expires_at, now + limit.kept_seconds)


GUESSES = st.tuples(
    st.sets(st.sampled_from(sorted(LIMITS)), min_size=1, max_size=2),
    st.one_of(st.integers(0, 200), st.integers(0, 10_000)),
)


@pytest.mark.django_db
@given(guesses=st.lists(GUESSES, max_size=25))
@example(guesses=[({"one"}, 9000)] * 3 + [({"Two"}, 3600)] * 4)
@example(guesses=[({"Two", "two"}, 0), *[({"Two"}, 1800)] * 11])
def test_any_guesses_are_counted_as_the_model_counts_them(
    guesses: list[tuple[set[str], int]],
) -> None:
    GuessCount.objects.all().delete()
    model: dict[str, Modelled] = {}

    with time_machine.travel(NOON, tick=False) as clock:
        for ids, seconds in guesses:
            clock.shift(seconds)
            now = int(time.time())
            reached = [model[name].next_at - now for name in ids & model.keys()]
            if any(seconds > 0 for seconds in reached):
                with pytest.raises(Throttled) as refusal:
                    count(*ids)
                assert refusal.value.headers == {"Retry-After": str(max(reached))}
            else:
                for name in ids:
                    model.setdefault(name, Modelled()).fail(LIMITS[name], now)
                assert count(*ids) == {name: model[name].failures for name in ids}

    assert stored() == model


@pytest.mark.django_db
def test_a_pardon_is_for_the_failures_in_a_row_alone() -> None:
    count("two")
    here = counts.count([LIMITS["Two"]])

    here.take_back(pardon="two")

    found = {name: (row.failures, row.in_window) for name, row in stored().items()}
    assert found == {"two": (0, 1), "Two": (0, 0)}


@pytest.mark.django_db
@pytest.mark.parametrize("reset", [True, False])
def test_a_delay_that_another_failure_has_set_ends_with_a_reset_alone(reset: bool) -> None:
    first = counts.count([LIMITS["two"]])
    count("two")

    first.take_back(reset="two" if reset else "")

    row = stored()["two"]
    assert (row.next_at == 0, row.window_ends_at == 0) == (reset, reset)


@pytest.mark.django_db(transaction=True)
def test_the_refused_leave_no_row_and_hold_nobody_up() -> None:
    """Each request adds the row of a name that is new, and takes the failure back at once."""
    count("one")

    def refused(number: int) -> list[bool]:
        return [is_refused("one", ["two", "Two"][(number + n) % 2]) for n in range(10)]

    refusals = at_once(*[partial(refused, number) for number in range(20)])

    assert refusals == [[True] * 10] * 20
    assert {name: row.failures for name, row in stored().items()} == {"one": 1}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(5))
def test_of_many_at_once_the_free_get_through_whatever_else_they_count_for(attempt: int) -> None:
    """A request that the second row refuses rolls the first one back, while others wait for it."""
    calls = [partial(is_refused, "two", name) for name in ["Two", "one"]]

    refusals = at_once(*calls * 10)

    failures = {name: row.failures for name, row in stored().items()}
    assert refusals.count(False) == 2
    assert failures.pop("two") == sum(failures.values()) == 2


def count(*ids: str) -> dict[str, int]:
    counted = counts.count([LIMITS[name] for name in ids])
    return {name: row.failures for name, row in counted.rows.items()}


def is_refused(*ids: str) -> bool:
    try:
        count(*ids)
    except Throttled:
        return True
    return False


def stored() -> dict[str, Modelled]:
    return {
        row.id: Modelled(
            failures=row.failures,
            in_window=row.excess + LIMITS[row.id].free,
            next_at=row.next_at,
            window_ends_at=row.window_ends_at,
            expires_at=row.expires_at,
        )
        for row in GuessCount.objects.all()
    }
