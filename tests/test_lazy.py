"""Django's lazy objects, made in one step."""

import copy
import pickle
from collections.abc import Callable

import pytest
from django.test import RequestFactory

from session_auth.lazy import Lazy


def test_it_is_made_when_it_is_first_used_and_once() -> None:
    made: list[str] = []

    def make() -> list[str]:
        made.append("made")
        return made

    lazy = Lazy(make)

    assert "make" in repr(lazy)
    assert made == []
    assert len(lazy) == 1
    assert lazy == ["made"]
    assert isinstance(lazy, list)


def test_each_has_its_own() -> None:
    one, other = Lazy(lambda: [1]), Lazy(lambda: [2])

    assert (list(one), list(other)) == ([1], [2])


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda lazy: pickle.loads(pickle.dumps(lazy))],  # noqa: S301 # our own
)
def test_it_can_be_copied(copied: Callable[[Lazy], Lazy], *, used: bool) -> None:
    lazy = Lazy(lambda: RequestFactory().get("/").GET)
    if used:
        str(lazy)

    assert copied(lazy) == lazy == {}
