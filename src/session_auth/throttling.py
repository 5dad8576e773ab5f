"""Guesses at passwords are counted before they are checked, and refused when they are too many.

Before a password is checked, ``reserve()`` counts a failure; a right one is taken back after it::

    guess = throttling.reserve(request, user, password)
    if not guess.accept(user.check_password(password)):
        raise InvalidCredentials

This is the one door: our endpoints, our backends and a project's own code come through it. A
request keeps its guesses in one dictionary, by name and password. If code asks for a guess that is
there already, it gets that one, and nothing is counted. Instead of the password, the dictionary has
a mark of it, which only this process can make.

A guess is counted for the account, for the name as it was typed, and for the address. On a device
where the user has logged in before (``guessing.devices``), it is counted for the device alone: so
nobody can lock a user out from afar. docs/throttling.md says what the limits are and why.

A guess at the code of a second factor is one more for the account and the address. It also has a
count of its own, for the account and the factor, which a right password does not take back.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from session_auth import events, later, new_devices
from session_auth.client_info import client_info, client_network, meta_of
from session_auth.events import Event
from session_auth.exceptions import InvalidCredentials, NotAuthenticated, Throttled
from session_auth.guessing import counts, devices
from session_auth.guessing.accounts import find_user, forget, look_up, unlock
from session_auth.guessing.counts import PASSWORD, PROVEN_SINCE, Count, Limit
from session_auth.guessing.devices import is_known_device, throw_out_devices

__all__ = [
    "Guess",
    "forget",
    "is_known_device",
    "limit_requests",
    "reserve",
    "throw_out_devices",
    "unlock",
]

CEILING = 100
"""After how many failures in a row no password is right any more (NIST SP 800-63B-4)."""

CEILING_MAIL = "ceiling_reached"
"""The kind of the mail that tells the owner of it."""

MAX_PASSWORD_BYTES = 4096

ROWS_PER_GUESS = 5
"""By how much ``limit_rows()`` is above the guesses: a hundred open pages may share an address."""

GUESSES = "session_auth.guesses"
"""The key of ``request.META`` for the guesses of a request: each framework passes ``META`` on."""

NOTE = "session_auth.device"
"""The key for a right password: in the notes of a login in stages, and in ``request.META``.

There, it has the user whose password was right in an earlier request.
"""

_without_request: ContextVar[dict[tuple[str, bytes], "Guess"]] = ContextVar("guesses")
"""The guesses of an ``authenticate()`` that was given no request: see ``end_call()``."""

_asked: ContextVar[dict[type, object]] = ContextVar("asked")
"""The backends that this ``authenticate()`` has asked: see ``begin_call()``."""

_MARKS_KEY = secrets.token_bytes(32)

Result = TypeVar("Result")


class Guess:
    """One secret at one account, counted as wrong until ``accept()`` says otherwise.

    ``user`` is the user with this name, if there is one. ``is_right`` is ``None`` until it is
    checked. The guess does not keep the password.
    """

    is_right: bool | None = None

    is_refused = False
    """Whether the password was right, but no password is any more: see ``CEILING``."""

    _is_told = False

    def __init__(
        self,
        request: HttpRequest | None,
        user: AbstractBaseUser | None,
        name: str,
        purpose: str = PASSWORD,
    ) -> None:
        self.user = user
        self.began_at = timezone.now()
        is_password = purpose == PASSWORD
        self._details: dict[str, Any] = {} if is_password else {"is_second_step": True}
        known = _count_on_device(request, user, purpose)
        self._account = counts.of_account(user, name, purpose)
        # Above the ceiling a device is a stranger: else nobody but its thief could lift that.
        self.is_on_device = known is not None and known[1].rows[known[0].id].failures <= CEILING
        if known is not None and self.is_on_device:
            self._own, self._count = known
            return
        beside = counts.of_name(name, purpose) if is_password else counts.of_account(user, name)
        limits = [self._account, beside, _address_limit(request, PASSWORD)]
        self._own = self._account
        self._count = counts.count([limit for limit in limits if limit], account=_pk(user))

    def date(self, user: AbstractBaseUser) -> None:
        """Note on ``user`` when this guess at their password began.

        ``accept()`` does so for its own ``user``; this is for another object of the same user.
        """
        vars(user)[PROVEN_SINCE] = self.began_at

    def accept(self, is_correct: bool) -> bool:
        """Take the guess back if the password was right, and say whether it counts as right.

        After ``CEILING`` failures in a row, a right password counts as wrong, until the password is
        reset or is right on a known device. With several backends this is called several times: one
        of them has to accept the password.
        """
        if not is_correct or self.is_above_ceiling:
            if self.is_right is None:
                self.is_right = False
                counts.prune()
            self.is_refused = self.is_refused or is_correct
            return False
        if not self.is_right:
            self.is_right = True
            if self.user is not None:
                self.date(self.user)
            end_call()
            self._count.take_back(
                reset=self._own.id if self.is_on_device else "",
                pardon=self._account.id if self.is_on_device else "",
            )
        return True

    def make_good(self) -> None:
        """Count a wrong guess again if a rollback has undone the count."""
        if not self.is_right:
            self._count.make_good()

    def tell_of_ceiling(self, request: HttpRequest | None) -> None:
        """Log that this guess was the last one that could have been right, and tell the owner.

        A row is written for a name that nobody has, too: the time of the answer must not tell.
        """
        if self.is_right is not False or self._failures != CEILING or self._is_told:
            return
        self._is_told = True
        events.record(Event.CEILING_REACHED, request, user_id=self.user_id)
        mail_id = later.post(CEILING_MAIL, is_foreign=True, user_id=_pk(self.user), **self._details)
        later.hand_over(mail_id, later.wake, using=later.alias())

    @property
    def user_id(self) -> Any:
        """The primary key of ``user``, if there is one."""
        return None if self.user is None else self.user.pk

    @property
    def is_above_ceiling(self) -> bool:
        """Whether ``accept()`` takes nothing any more: use up no code for it."""
        return self._failures > CEILING

    @property
    def _failures(self) -> int:
        return self._count.rows[self._own.id].failures


@sensitive_variables("password")
def reserve(
    request: HttpRequest | None,
    account: AbstractBaseUser | AnonymousUser | str,
    password: str,
    *,
    purpose: str = PASSWORD,
) -> Guess:
    """Count a guess of ``password`` before it is checked, and return it for ``accept()``.

    ``account`` is the user, or a name as it was typed, which may be nobody's. The same password for
    the same account in one request is one guess, even if several callers reserve it.
    It needs one query for the user if ``account`` is a name, and one to count.

    For the code of a second factor, ``purpose`` names the factor, and ``account`` is the user::

        guess = throttling.reserve(request, user, code, purpose="totp")

    Raises ``Throttled``, ``InvalidCredentials`` for a password that is longer than
    ``MAX_PASSWORD_BYTES``, ``NotAuthenticated`` for an ``AnonymousUser``, and ``StoreUnavailable``.
    """
    if isinstance(account, AnonymousUser):
        raise NotAuthenticated
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise InvalidCredentials
    guesses = _guesses(request)
    mark = hmac.digest(_MARKS_KEY, f"{purpose}\0{password}".encode(), "sha256")
    name = account if isinstance(account, str) else account.get_username()
    if (name, mark) not in guesses:
        user = find_user(account) if isinstance(account, str) else account
        try:
            guess = Guess(request, user, name, purpose)
        except Throttled:
            _log_refusal(request, user)
            raise
        guesses[name, mark] = guess
        if user is not None:
            guesses[user.get_username(), mark] = guess
    return guesses[name, mark]


def limit_requests(request: HttpRequest, *, purpose: str, name: str | None = None) -> None:
    """Count a request that costs something, such as an e-mail to ``name``; nothing takes it back.

    It is counted for the name, which may be nobody's, and for the address. On a known device of the
    user with this name or e-mail address, it is counted for the device instead. The limits are
    those for guesses, but each purpose has counts of its own. Raises ``Throttled`` and
    ``StoreUnavailable``.
    """
    # No query for a caller without the cookie: its time would tell whether there is such a user.
    has_devices = name and devices.cookie_name() in devices.cookies_of(request)
    user = look_up(name) if name and has_devices else None
    by_name = counts.of_name(name, purpose) if name else None
    limits = [limit for limit in (by_name, _address_limit(request, purpose)) if limit]
    try:
        if not _count_on_device(request, user, purpose):
            if not limits:
                return
            counts.count(limits)
    except Throttled:
        _log_refusal(request, None)
        raise
    counts.prune()


def limit_rows(request: HttpRequest, *, purpose: str, lifetime: timedelta) -> None:
    """Count a row that a request stores for ``lifetime``, for its address; nothing takes it back.

    An address may have ``ROWS_PER_GUESS`` times as many as it has guesses. A browser has no limit
    of its own: who sends no cookie would be a new one each time. Raises ``Throttled``.
    """
    limit = _address_limit(request, purpose, window=lifetime, times=ROWS_PER_GUESS)
    if limit is None:
        return
    try:
        count = counts.count([limit])
    except Throttled:
        _log_refusal(request, None)
        raise
    if count.rows[limit.id].failures == 1:
        counts.prune()  # an address that is new adds a row of its own


def make_good(request: HttpRequest) -> None:
    """Count the wrong guesses of a request again if the transaction of its view was rolled back.

    The view is over, so each of them stays wrong: if one was the last that an account takes, its
    owner is told now.
    """
    for guess in request.META.get(GUESSES, {}).values():
        guess.make_good()
        guess.tell_of_ceiling(request)


def noted(request: HttpRequest, user: AbstractBaseUser) -> dict[str, bool]:
    """Return what a login that is not complete keeps, for ``read_note()`` in its last request."""
    return {NOTE: True} if _right_guesses(request, user.pk) else {}


def read_note(request: HttpRequest, user: AbstractBaseUser, notes: Mapping[str, Any]) -> None:
    """Let ``device_of_login()`` know if an earlier request had the right password of ``user``."""
    request.META[NOTE] = user if NOTE in notes else None


class Device:
    """The browser of a user who is logged in, and has sent their password.

    What is to be asked of it is asked before the session is stored, and the mail that tells of a
    new one is stored with that: what fails after it would deny a login that was made.
    """

    _mail_id: int | None = None

    def __init__(self, user: AbstractBaseUser, generation: str, *, is_known: bool) -> None:
        self.user, self.generation, self.is_known = user, generation, is_known

    @property
    def is_told(self) -> bool:
        """Whether a mail is to tell the user of it."""
        return not self.is_known and bool(new_devices.address_of(self.user))

    def store(self, request: HttpRequest, call: Callable[[], Result]) -> Result:
        """Return what ``call`` returns, which stores the session; store the mail with it."""
        with later.MAILS.guards(), transaction.atomic(using=later.alias()):
            result = call()
            self._mail_id = new_devices.post(request, self.user)
        return result

    def remember(self, request: HttpRequest, response: HttpResponse) -> None:
        """Make it a known device of the user, and let the mail be sent."""
        anew = not self.is_known
        devices.remember(request, response, self.user.pk, self.generation, anew=anew)
        if self._mail_id is not None:
            later.hand_over(self._mail_id, later.wake, using=later.alias())


def device_of_login(request: HttpRequest, user_id: Any) -> Device | None:
    """Return the browser, if this request has logged in the user and it has sent their password.

    That may have been in an earlier request of a login in stages.
    """
    user: Any = request.META.get(NOTE)
    if theirs := _right_guesses(request, user_id):
        [generation, *_] = [row.generation for row in theirs[0]._count.rows.values()]
        user = cast("AbstractBaseUser", theirs[0].user)
        return Device(user, generation, is_known=theirs[0].is_on_device)
    if user is None or user.pk != user_id:
        return None
    is_known = is_known_device(request, user)
    return Device(user, counts.generation_of(_pk(user)), is_known=is_known)


def record_failed_login(
    *,
    request: HttpRequest | None = None,
    credentials: Mapping[str, Any] | None = None,
    **kwargs: object,
) -> None:
    """Receive ``user_login_failed``, after any call of ``authenticate()``: log whose it was."""
    wrong = [guess for guess in _guesses(request).values() if not guess.is_right]
    guess = wrong[-1] if wrong else None
    is_refused = guess is not None and guess.is_refused
    events.record(
        Event.RIGHT_PASSWORD_REFUSED if is_refused else Event.LOGIN_FAILED,
        request,
        user_id=guess and guess.user_id,
    )


def begin_call(backend: object) -> None:
    """Note that ``authenticate()`` asks ``backend``, and gave it no request.

    Django makes new backends for each call: so another instance of the same class means that
    another call has begun, and that the last one is over. Nothing else shows that if a backend that
    counts no guesses has let the user in.
    """
    asked = _asked.get(None)
    if asked is None:
        asked = {}
        _asked.set(asked)
    if asked.setdefault(type(backend), backend) is not backend:
        end_call()
        asked[type(backend)] = backend


def end_call(**kwargs: object) -> None:
    """Receive ``user_login_failed``: ``authenticate()`` has asked all backends for this guess.

    Without a request, nothing else says that the next call is another guess.
    """
    guesses = _guesses(None)
    for guess in guesses.values():
        guess.tell_of_ceiling(None)
    # Not set anew: a task of its own may run this, whose variables nobody else sees.
    guesses.clear()
    _asked.get({}).clear()


def _right_guesses(request: HttpRequest, user_id: Any) -> list[Guess]:
    right = [guess for guess in request.META.get(GUESSES, {}).values() if guess.is_right]
    return [guess for guess in right if guess.user is not None and guess.user.pk == user_id]


def _guesses(request: HttpRequest | None) -> dict[tuple[str, bytes], Guess]:
    if request is not None and hasattr(request, "META"):  # which requests of other makes lack
        return cast("dict[tuple[str, bytes], Guess]", request.META.setdefault(GUESSES, {}))
    try:
        return _without_request.get()
    except LookupError:
        _without_request.set({})
        return _without_request.get()


def _count_on_device(
    request: HttpRequest | None, user: AbstractBaseUser | None, purpose: str
) -> tuple[Limit, Count] | None:
    """Count on the user's device, if the request comes from one that is still known."""
    account, device = _pk(user), devices.of_request(request, user)
    if device is None:
        return None
    limit = counts.of_device(device.id, purpose)
    count = counts.count([limit], account=account)
    return (limit, count) if count.rows[limit.id].generation == device.generation else None


def _pk(user: AbstractBaseUser | None) -> str:
    return "" if user is None else str(user.pk)


def _address_limit(request: HttpRequest | None, purpose: str, **more: Any) -> Limit | None:
    network = request and client_network(client_info(meta_of(request)).ip)
    return counts.of_network(network, purpose, **more) if network else None


def _log_refusal(request: HttpRequest | None, user: AbstractBaseUser | None) -> None:
    events.record(Event.THROTTLED, request, user_id=None if user is None else user.pk)
