"""Guesses at passwords are counted before they are checked, and refused when they are too many.

Before a password is checked, ``reserve()`` counts a failure; what turns out right is taken back::

    guess = throttling.reserve(request, user, password)
    if not guess.accept(user.check_password(password)):
        raise InvalidCredentials

This is the one door: our endpoints, our backends and code of a project's own come through it. The
guesses of a request stand in one dictionary, by name and password (of which it has a mark that
only this process can make): whoever asks for one that is there gets it, and nothing is counted.

Counted are the account and the address, or instead of both the device, where the user has logged
in before (``guessing.devices``): so nobody can lock a user out from afar.
docs/throttling.md says what the limits are and why.
"""

import base64
import hmac
import secrets
import unicodedata
from contextvars import ContextVar
from datetime import timedelta
from typing import cast

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.functional import SimpleLazyObject
from django.views.decorators.debug import sensitive_variables

from session_auth import events
from session_auth.client_info import client_info, client_network
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import InvalidCredentials, Throttled
from session_auth.guessing import counts, devices
from session_auth.guessing.counts import Limit

CEILING = 100
"""So many failures in a row an account takes; then no password is right (NIST SP 800-63B-4)."""

ACCOUNT_WINDOW = timedelta(days=1)
ADDRESS_WINDOW = timedelta(hours=1)
FAILURES_KEPT = timedelta(days=365)
MAX_PASSWORD_BYTES = 4096

GUESSES = "session_auth.guesses"
"""Where ``request.META`` has the guesses of a request: every framework hands it through."""

_without_request: ContextVar[dict[tuple[str, bytes], "Guess"]] = ContextVar("guesses")
"""The guesses of an ``authenticate()`` that was given no request: see ``end_call()``."""

_MARKS_KEY = secrets.token_bytes(32)


class Guess:
    """One password at one account, counted as wrong until ``accept()`` says otherwise.

    ``user`` is the one that its name belongs to, if any; ``is_right`` is ``None`` while it is
    checked. It does not know the password.
    """

    is_right: bool | None = None

    def __init__(
        self, request: HttpRequest | None, user: AbstractBaseUser | None, name: str
    ) -> None:
        self.user = user
        account = _account_limit(user.get_username() if user else name, is_known=user is not None)
        device = request and devices.device_of(request.COOKIES, user)
        self._own = _device_limit(device) if device else account
        self._pardoned = account.id if device else ""
        self._address = None if device else _address_limit(request)
        self._count = counts.count([limit for limit in (self._own, self._address) if limit])

    def accept(self, is_correct: bool) -> bool:
        """Take the guess back if the password was right, and say whether it counts as right.

        It does not after ``CEILING`` failures in a row: then the answer is that of a wrong one,
        until the password is reset or right on a known device. May be called again: of several
        backends, one has to accept the password.
        """
        if not is_correct or self._count.failures[self._own.id] > CEILING:
            if self.is_right is None:
                self.is_right = False
                counts.prune()
            return False
        if not self.is_right:
            self.is_right = True
            end_call()
            refund = self._address.id if self._address else ""
            counts.take_back(reset=self._own.id, refund=refund, pardon=self._pardoned)
        return True

    def make_good(self) -> None:
        """Count the guess again if it was wrong and its transaction was rolled back."""
        if not self.is_right:
            self._count.make_good()


@sensitive_variables("password")
def reserve(request: HttpRequest | None, account: AbstractBaseUser | str, password: str) -> Guess:
    """Count a guess of ``password`` before it is checked, and return it for ``accept()``.

    ``account`` is the user, or a name as it was typed, of an account that may not exist. The same
    password for the same account in one request is one guess, whoever asks.
    Does one query for the user if there is a name, and one to count.

    Raises ``Throttled``, ``InvalidCredentials`` for a password that is longer than
    ``MAX_PASSWORD_BYTES``, and ``StoreUnavailable``.
    """
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise InvalidCredentials
    guesses = _guesses(request)
    mark = hmac.digest(_MARKS_KEY, password.encode(), "sha256")
    name = account if isinstance(account, str) else account.get_username()
    if (name, mark) not in guesses:
        user = _find_user(account) if isinstance(account, str) else account
        try:
            guess = Guess(request, user, name)
        except Throttled:
            _log_refusal(request, user)
            raise
        guesses[name, mark] = guess
        if user is not None:
            guesses[user.get_username(), mark] = guess
    return guesses[name, mark]


def limit_requests(request: HttpRequest, *, purpose: str, name: str | None = None) -> None:
    """Count a request that costs something, such as an e-mail to ``name``; nothing takes it back.

    Counted are the name, known or not, and the address, by the limits for guesses but apart from
    them and from other purposes. Raises ``Throttled`` and ``StoreUnavailable``.
    """
    by_name = name and _account_limit(name, is_known=False, purpose=purpose)
    limits = [limit for limit in (by_name, _address_limit(request, purpose=purpose)) if limit]
    if not limits:
        return
    try:
        counts.count(limits)
    except Throttled:
        _log_refusal(request, None)
        raise
    counts.prune()


def forget(user: AbstractBaseUser) -> None:
    """Let ``user`` start anew, as after a reset of the password; addresses stay as they are."""
    counts.forget(_account_limit(user.get_username(), is_known=True).id)


def make_good(request: HttpRequest) -> None:
    """Count again what the transaction of a view has rolled back."""
    for guess in request.META.get(GUESSES, {}).values():
        guess.make_good()


def remember_device(request: HttpRequest, response: HttpResponse) -> None:
    """Make the browser a known device of who is logged in, if it brought their right password."""
    user: AbstractBaseUser | None = vars(request).get("user")
    if isinstance(user, SimpleLazyObject):  # which must not be looked up now, in an event loop
        user = vars(request).get("_cached_user")
    guesses = request.META.get(GUESSES, {}).values()
    if user and any(guess.is_right and guess.user == user for guess in guesses):
        devices.remember(request, response, user)


def end_call(**kwargs: object) -> None:
    """Receive ``user_login_failed``: of all backends, no other will be asked for this guess.

    Without a request, nothing else says so; and the next call is another guess.
    """
    _without_request.set({})


def normalized(name: str) -> str:
    """Return what all spellings of a name share: case, width and spaces around it do not count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def _guesses(request: HttpRequest | None) -> dict[tuple[str, bytes], Guess]:
    if request is not None:
        return cast("dict[tuple[str, bytes], Guess]", request.META.setdefault(GUESSES, {}))
    try:
        return _without_request.get()
    except LookupError:
        end_call()
        return _without_request.get()


def _find_user(name: str) -> AbstractBaseUser | None:
    users = get_user_model()
    try:
        with counts.store_errors():
            found: AbstractBaseUser = users._default_manager.get_by_natural_key(name)
    except users.DoesNotExist:
        return None
    return found


def _account_limit(name: str, *, is_known: bool, purpose: str = "password") -> Limit:
    kept = FAILURES_KEPT if is_known else ACCOUNT_WINDOW
    return Limit(
        # Not by primary key: "Alice" and "alice" share a count, whether "alice" exists or not.
        id=_key(f"{purpose}.account", normalized(name)),
        free=get_conf().GUESSES_PER_ACCOUNT,
        window_seconds=round(ACCOUNT_WINDOW.total_seconds()),
        kept_seconds=round(kept.total_seconds()),
    )


def _device_limit(device: str) -> Limit:
    return Limit(
        id=_key("password.device", device),
        free=get_conf().GUESSES_PER_ACCOUNT,
        window_seconds=round(ACCOUNT_WINDOW.total_seconds()),
        kept_seconds=round(FAILURES_KEPT.total_seconds()),
    )


def _address_limit(request: HttpRequest | None, *, purpose: str = "password") -> Limit | None:
    network = request and client_network(client_info(request.META).ip)
    if not network:
        return None
    window_seconds = round(ADDRESS_WINDOW.total_seconds())
    return Limit(
        id=_key(f"{purpose}.address", network),
        free=get_conf().GUESSES_PER_ADDRESS,
        window_seconds=window_seconds,
        kept_seconds=window_seconds + counts.LAST_DELAY_SECONDS,
    )


def _key(kind: str, value: str) -> str:
    """Return the id of a row, from which nobody learns the value."""
    mac = salted_hmac(f"session_auth.throttling.{kind}", value, algorithm="sha256")
    return base64.urlsafe_b64encode(mac.digest())[:-1].decode()


def _log_refusal(request: HttpRequest | None, user: AbstractBaseUser | None) -> None:
    events.record(Event.THROTTLED, request, user_id=None if user is None else user.pk)
