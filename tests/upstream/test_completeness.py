"""Django's tests must not go missing without notice. Run the folder as a whole."""

from collections import Counter
from typing import Any

import pytest

from tests.upstream import test_django_csrf, test_django_sessions

# Of Django 5.2; later versions have some more.
LEAST_NUMBER_OF_TESTS: dict[Any, int] = {
    test_django_sessions.DatabaseSessionTests: 70,
    test_django_sessions.DatabaseSessionWithoutTimeZoneTests: 70,
    test_django_sessions.SessionMiddlewareTests: 12,
    test_django_csrf.CsrfViewMiddlewareTests: 59,
    test_django_csrf.CsrfViewMiddlewareUseSessionsTests: 49,
}


def test_all_of_djangos_tests_are_run(request: pytest.FixtureRequest) -> None:
    collected = Counter(getattr(item, "cls", None) for item in request.session.items)

    missing = {
        tests.__name__: f"{collected[tests]} of {least}"
        for tests, least in LEAST_NUMBER_OF_TESTS.items()
        if collected[tests] < least
    }
    assert missing == {}


@pytest.mark.parametrize("tests", LEAST_NUMBER_OF_TESTS, ids=lambda tests: tests.__name__)
def test_every_difference_is_listed_with_its_reason(tests: Any) -> None:
    upstream = next(base for base in tests.__mro__ if not base.__module__.startswith("tests."))
    replaced = {
        name
        for base in tests.__mro__[: tests.__mro__.index(upstream)]
        for name in vars(base)
        if name.startswith("test_")
    }

    assert replaced == tests.DIFFERENCES.keys()
    assert all(hasattr(upstream, name) for name in replaced)
    assert all(tests.DIFFERENCES.values())
