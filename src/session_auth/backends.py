"""Backends for ``AUTHENTICATION_BACKENDS`` that count guesses, at each ``authenticate()``."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth import backends as django_backends
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from session_auth import throttling
from session_auth.exceptions import InvalidCredentials, Throttled
from session_auth.guessing import accounts
from session_auth.passwords.hashes import check_password
from session_auth.sessions import hash_upgrades

__all__ = ["ModelBackend", "ThrottleMixin"]


class ThrottleMixin(django_backends.BaseBackend):
    """Counts each guess before the backend with this mixin looks at the password.

    It is for a backend whose ``authenticate()`` takes ``username`` and ``password``; put it first
    among the bases. Raises ``Throttled``, which ``SessionMiddleware`` answers with 429. Without a
    request, ``authenticate()`` returns ``None`` instead.
    """

    @sensitive_variables("password")
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        guess = self._reserve(request, username, password, kwargs)
        user = super().authenticate(request, username=username, password=password, **kwargs)
        return _verdict(guess, user, password)

    @sensitive_variables("password")
    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        check: Any = super().aauthenticate
        if check.__func__ is django_backends.BaseBackend.aauthenticate:
            return await _in_thread(
                lambda: self.authenticate(request, username=username, password=password, **kwargs)
            )
        guess = await _in_thread(lambda: self._reserve(request, username, password, kwargs))
        user = await check(request, username=username, password=password, **kwargs)
        return await _in_thread(lambda: _verdict(guess, user, password))

    def account_name(self, username: str | None, credentials: Mapping[str, Any]) -> str | None:
        """Return the name for which guesses are counted; without one (``None``), none are.

        Override it if the name comes in another credential than that of ``ModelBackend``.
        """
        if username is not None:
            return username
        return credentials.get(get_user_model().USERNAME_FIELD)

    def find_user(self, name: str) -> AbstractBaseUser | None:
        """Return the user whom this backend finds by ``name``: a login name or an e-mail address.

        So guesses by name and by e-mail have one count, and the same known devices. Override it if
        the backend finds users by something else. It should make the same queries whether there is
        such a user or not: their time would tell.
        """
        by_name, by_email = accounts.find_by_name(name), accounts.find_by_email(name)
        return by_name or by_email

    @sensitive_variables("password")
    def _reserve(
        self,
        request: HttpRequest | None,
        username: str | None,
        password: str | None,
        credentials: Mapping[str, Any],
    ) -> throttling.Guess | None:
        name = self.account_name(username, credentials)
        if name is None or password is None:
            return None
        if request is None:
            throttling.begin_call(self)
        try:
            return throttling.reserve(request, name, password)
        except InvalidCredentials as exc:
            raise PermissionDenied from exc  # so that no other backend is asked
        except Throttled as exc:
            if request is None:  # without one there is no answer, and so no 429
                raise PermissionDenied from exc
            raise


async def _in_thread(call: Callable[[], Any]) -> Any:
    """Call ``call``, a closure that holds the password, in a thread.

    If the password were an argument, error reports would show it in the frames of asgiref.
    """
    return await sync_to_async(sensitive_variables()(call))()


@sensitive_variables("password")
def _verdict(guess: throttling.Guess | None, user: Any, password: str | None) -> Any:
    if guess is None or password is None:
        return user
    if not guess.accept(user is not None) and user is not None:
        raise PermissionDenied  # too many failures in a row: no other backend is asked either
    if user is not None and user is not guess.user:
        hash_upgrades.follow(guess.user, user, password=password)
        guess.date(user)
    return user


class ModelBackend(ThrottleMixin, django_backends.ModelBackend):
    """Django's backend with two differences; put it in the same place.

    Guesses are counted. An upgrade of a hash never undoes a change made at the same time.
    """

    @sensitive_variables("password")
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        guess = self._reserve(request, username, password, kwargs)
        if guess is None or password is None:
            return None
        user = guess.user
        if user is not None and user.get_username() != username:  # by e-mail, for another backend
            user = self.find_user(username or kwargs[get_user_model().USERNAME_FIELD])
        if user is None:
            # The same work for an unknown user: no enumeration by time.
            get_user_model()().set_password(password)
            return _verdict(guess, None, password)
        is_right = check_password(user, password) and self.user_can_authenticate(cast("Any", user))
        return _verdict(guess, user if is_right else None, password)

    find_user = staticmethod(accounts.find_by_name)

    @sensitive_variables("password")
    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        return await _in_thread(
            lambda: self.authenticate(request, username=username, password=password, **kwargs)
        )
