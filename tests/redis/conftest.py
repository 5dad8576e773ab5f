"""Fixtures for sessions in Redis."""

import pytest

from tests.redis.moving import WAYS, Way


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    return Way(*request.param)
