"""What several modules begin with."""

import pytest
from django.contrib.auth.models import User

from tests.api_client import signed_in
from tests.factors.authenticator import Authenticator
from tests.factors.calls import register


@pytest.fixture
def passkey(alice: User) -> Authenticator:
    """A passkey of alice."""
    authenticator = Authenticator()
    assert register(signed_in(), authenticator).status_code == 201
    return authenticator
