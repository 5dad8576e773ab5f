"""Is this the right code, or the right passkey? Each answer is counted before it is checked."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from session_auth import throttling
from session_auth.conf import get_conf
from session_auth.exceptions import InvalidCredentials, InvalidRequest
from session_auth.factors import changes
from session_auth.factors.models import Factor, Kind
from session_auth.keys import digest

Answer = Mapping[str, Any]
"""What a client sends: ``code``, a string, or ``credential``, an object."""

Checker = Callable[[HttpRequest, AbstractBaseUser, Any], Factor | None]

checkers: dict[str, tuple[str, Checker]] = {}
"""For each kind of factor, the key of its answer, and the function that uses the answer up.

The function returns the factor of the user that was proven by it, or ``None``. The modules of the
kinds register themselves, if what they need is installed.
"""


def available() -> list[str]:
    """Return the kinds that users can set up here: the extra is installed, and the setting made."""
    conf = get_conf()
    needed = {Kind.PASSKEY: conf.PASSKEY_ORIGINS, Kind.TOTP: conf.TOTP_KEYS, Kind.RECOVERY: True}
    return [kind for kind in Kind if kind in checkers and needed[kind]]


@sensitive_variables()
def check(request: HttpRequest, user: AbstractBaseUser, *, method: str, answer: Answer) -> Factor:
    """Return the factor of ``user`` that ``answer`` proves, which it does once.

    Raises ``InvalidRequest`` for a method whose extra is not installed, ``InvalidCredentials`` for
    a wrong answer, and ``Throttled`` after too many of those.
    """
    if method not in checkers:
        raise InvalidRequest(fields={"method": [_("This method is not available.")]})
    key, use_up = checkers[method]
    return count_and_check(request, user, method, answer[key], use_up=use_up)


@sensitive_variables()
def count_and_check(
    request: HttpRequest, user: AbstractBaseUser, method: str, given: Any, *, use_up: Checker
) -> Factor:
    """Return what ``use_up`` returns; a wrong answer is counted for the account and the factor."""
    text = given if isinstance(given, str) else digest(json.dumps(given, sort_keys=True))
    guess = throttling.reserve(request, user, text, purpose=method)
    factor = None if guess.is_above_ceiling else use_up(request, user, given)
    if not guess.accept(factor is not None) or factor is None:
        raise InvalidCredentials
    changes.watch(request, changes.Proven.of(factor))
    return factor
