"""Guesses at passwords are counted before they are checked, and refused when they are too many.

Before a password is checked, ``reserve()`` counts a failure; what turns out right is taken back::

    guess = throttling.reserve(request, user, password)
    if not guess.accept(user.check_password(password)):
        raise InvalidCredentials

This is the one door: our endpoints, our backends and code of a project's own come through it. The
guesses of a request stand in one dictionary, by name and password (of which it has a mark that
only this process can make): whoever asks for one that is there gets it, and nothing is counted.

Counted are the account, the name as it was typed and the address, or instead of them the device,
where the user has logged in before (``guessing.devices``): so nobody can lock a user out from afar.
docs/throttling.md says what the limits are and why.
"""

import base64
import hmac
import secrets
import unicodedata
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import timedelta
from typing import cast

from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.functional import SimpleLazyObject
from django.views.decorators.debug import sensitive_variables

from session_auth import events
from session_auth.client_info import client_info, client_network, cookies_of, meta_of
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import InvalidCredentials, NotAuthenticated, Throttled
from session_auth.guessing import counts, devices
from session_auth.guessing.counts import Count, Limit

__all__ = ["Guess", "forget", "limit_requests", "reserve"]

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
        self._account = _account_limit(user, name)
        known = _count_on_device(request, user, "password")
        if known is not None:
            self._own, self._count = known
            return
        limits = [self._account, _name_limit(name, "password"), _address_limit(request, "password")]
        self._own = self._account
        self._count = counts.count([limit for limit in limits if limit], account=_pk(user))

    @property
    def generation(self) -> str:
        """That of the devices which are known as those of ``user``."""
        return self._count.rows[self._own.id].generation

    def accept(self, is_correct: bool) -> bool:
        """Take the guess back if the password was right, and say whether it counts as right.

        It does not after ``CEILING`` failures in a row: then the answer is that of a wrong one,
        until the password is reset or right on a known device. May be called again: of several
        backends, one has to accept the password.
        """
        if not is_correct or self._count.rows[self._own.id].failures > CEILING:
            if self.is_right is None:
                self.is_right = False
                counts.prune()
            return False
        if not self.is_right:
            self.is_right = True
            end_call()
            on_device = self._own is not self._account
            self._count.take_back(
                reset=self._own.id if on_device else "",
                pardon=self._account.id if on_device else "",
            )
        return True

    def make_good(self) -> None:
        """Count the guess again if it was wrong and its transaction was rolled back."""
        if not self.is_right:
            self._count.make_good()


@sensitive_variables("password")
def reserve(
    request: HttpRequest | None, account: AbstractBaseUser | AnonymousUser | str, password: str
) -> Guess:
    """Count a guess of ``password`` before it is checked, and return it for ``accept()``.

    ``account`` is the user, or a name as it was typed, of an account that may not exist. The same
    password for the same account in one request is one guess, whoever asks.
    Does one query for the user if there is a name, and one to count.

    Raises ``Throttled``, ``InvalidCredentials`` for a password that is longer than
    ``MAX_PASSWORD_BYTES``, ``NotAuthenticated`` for an ``AnonymousUser``, and ``StoreUnavailable``.
    """
    if isinstance(account, AnonymousUser):
        raise NotAuthenticated
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
    them and from other purposes; instead of both the device, where it is known as one of the user
    who has this name or address. Raises ``Throttled`` and ``StoreUnavailable``.
    """
    # Whoever sends no such cookie learns nothing by the time of a query.
    has_devices = name and devices.cookie_name() in cookies_of(request)
    user = (find_by_name(name) or find_by_email(name)) if name and has_devices else None
    by_name = _name_limit(name, purpose) if name else None
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


def forget(user: AbstractBaseUser) -> None:
    """Let ``user`` start anew, as an administrator may who unlocks an account."""
    address = getattr(user, type(user).get_email_field_name(), "")
    counts.forget([each for name in (user.get_username(), address) for each in row_ids(name, user)])


def row_ids(name: str, user: AbstractBaseUser | None = None) -> list[str]:
    """Return the ids of what is counted for an account, by ``name`` or e-mail."""
    user = user or find_by_name(name) or find_by_email(name)
    limits = [_account_limit(user, name), _name_limit(name, "password")]
    return [limit.id for limit in limits]


def welcome(request: HttpRequest, response: HttpResponse, user: AbstractBaseUser) -> None:
    """Make the browser a known device of ``user``, who has reset the password.

    Their failures in a row begin anew. No other browser gets in sooner: so it tells nobody.
    """
    counts.pardon(_account_limit(user, "").id)
    devices.remember(request, response, user.pk, counts.generation_of(_pk(user)))


def throw_out_devices(
    user: AbstractBaseUser, *, but: tuple[HttpRequest, HttpResponse] | None = None
) -> None:
    """Let no browser be known as a device of ``user`` any more, but that of ``but``.

    That is a request and its answer, which takes the cookie. Nothing but a proof of the password
    makes another known again.
    """
    generation = devices.throw_out(user.pk)
    if but is not None and devices.find(but[0].COOKIES, user.pk):
        devices.remember(*but, user.pk, generation)


def make_good(request: HttpRequest) -> None:
    """Count again what the transaction of a view has rolled back."""
    for guess in request.META.get(GUESSES, {}).values():
        guess.make_good()


def remember_device(request: HttpRequest, response: HttpResponse) -> None:
    """Make the browser a known device of who is logged in, if it brought their right password."""
    user: AbstractBaseUser | None = vars(request).get("user")
    if isinstance(user, SimpleLazyObject):  # which must not be looked up now, in an event loop
        user = vars(request).get("_cached_user")
    if user is None:
        return
    for guess in request.META.get(GUESSES, {}).values():
        if guess.is_right and guess.user is not None and guess.user.pk == user.pk:
            devices.remember(request, response, user.pk, guess.generation)
            break


def end_call(**kwargs: object) -> None:
    """Receive ``user_login_failed``: of all backends, no other will be asked for this guess.

    Without a request, nothing else says so; and the next call is another guess.
    """
    _without_request.set({})


def normalized(name: str) -> str:
    """Return what all spellings of a name share: case, width and spaces around it do not count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def _guesses(request: HttpRequest | None) -> dict[tuple[str, bytes], Guess]:
    if request is not None and hasattr(request, "META"):  # which requests of other makes lack
        return cast("dict[tuple[str, bytes], Guess]", request.META.setdefault(GUESSES, {}))
    try:
        return _without_request.get()
    except LookupError:
        end_call()
        return _without_request.get()


def find_by_name(name: str) -> AbstractBaseUser | None:
    """Return the user with this name: exactly, where the manager finds several."""
    users = get_user_model()
    with counts.store_errors():
        try:
            return cast("AbstractBaseUser", users._default_manager.get_by_natural_key(name))
        except users.DoesNotExist:
            return None
        except users.MultipleObjectsReturned:
            found = users._default_manager.filter(**{users.USERNAME_FIELD: name})
            return _only([user for user in found if user.get_username() == name])


def find_by_email(address: str) -> AbstractBaseUser | None:
    """Return the user with this address, if there is one and no other."""
    users = get_user_model()
    field = users.get_email_field_name()
    names = {each.name for each in users._meta.get_fields()} - {users.USERNAME_FIELD}
    if "@" not in address or field not in names:
        return None
    with counts.store_errors():
        return _only(users._default_manager.filter(**{f"{field}__iexact": address})[:2])


def _only(found: Iterable[AbstractBaseUser]) -> AbstractBaseUser | None:
    first, *others = [*found, None]
    return None if len(others) > 1 else first


def _find_user(name: str) -> AbstractBaseUser | None:
    """Return the user whom the name means to the backends of the site that count guesses."""
    finders = [getattr(backend, "find_user", None) for backend in get_backends()]
    for find in [find for find in finders if find] or [find_by_name]:
        if (user := find(name)) is not None:
            return cast("AbstractBaseUser", user)
    return None


def _count_on_device(
    request: HttpRequest | None, user: AbstractBaseUser | None, purpose: str
) -> tuple[Limit, Count] | None:
    """Count on the device of the user, if the request comes from one that is known still."""
    device = devices.find(cookies_of(request), _pk(user)) if request else None
    if device is None or user is None:
        return None
    limit = _device_limit(device.id, purpose)
    count = counts.count([limit], account=_pk(user))
    return (limit, count) if count.rows[limit.id].generation == device.generation else None


def _pk(user: AbstractBaseUser | None) -> str:
    return "" if user is None else str(user.pk)


def _account_limit(user: AbstractBaseUser | None, name: str) -> Limit:
    """For an account by its primary key: whatever it is called, and whoever has a similar name.

    A name that nobody has costs as many rows.
    """
    is_known = user is not None
    return _day_limit(
        _key("password.account", f"pk {user.pk}" if user else f"name {normalized(name)}"),
        kept=FAILURES_KEPT if is_known else ACCOUNT_WINDOW,
    )


def _name_limit(name: str, purpose: str) -> Limit:
    """For a name however it is spelled: "Alice" has no more guesses where there is an "alice"."""
    return _day_limit(_key(f"{purpose}.name", normalized(name)), kept=ACCOUNT_WINDOW)


def _device_limit(device: str, purpose: str) -> Limit:
    return _day_limit(_key(f"{purpose}.device", device), kept=FAILURES_KEPT)


def _day_limit(row_id: str, *, kept: timedelta) -> Limit:
    return Limit(
        id=row_id,
        free=get_conf().GUESSES_PER_ACCOUNT,
        window_seconds=round(ACCOUNT_WINDOW.total_seconds()),
        kept_seconds=round(kept.total_seconds()),
    )


def _address_limit(request: HttpRequest | None, purpose: str) -> Limit | None:
    network = request and client_network(client_info(meta_of(request)).ip)
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
