"""Which account a name is of; and how what was counted for an account is forgotten."""

from collections.abc import Iterable
from contextlib import suppress
from typing import cast

from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import Error

from session_auth.client_info import client_network
from session_auth.guessing import counts
from session_auth.stages import get_stages
from session_auth.stores import USERS


def find_user(name: str) -> AbstractBaseUser | None:
    """Return the user with this name, as the site's backends that count guesses find users."""
    finders = [getattr(backend, "find_user", None) for backend in get_backends()]
    for find in [find for find in finders if find] or [find_by_name]:
        try:
            user = find(name)
        except Error as error:
            user = USERS.asks_again(error, find, name)
        if user is not None:
            return cast("AbstractBaseUser", user)
    return None


def find_by_name(name: str) -> AbstractBaseUser | None:
    """Return the user with this name; if the manager finds several, the one with exactly it."""
    users = get_user_model()
    try:
        return cast("AbstractBaseUser", users._default_manager.get_by_natural_key(name))
    except users.DoesNotExist:
        return None
    except users.MultipleObjectsReturned:
        found = users._default_manager.filter(**{users.USERNAME_FIELD: name})
        return _only([user for user in found if user.get_username() == name])


def find_by_email(address: str) -> AbstractBaseUser | None:
    """Return the user with this e-mail address, if there is exactly one."""
    users = get_user_model()
    field = users.get_email_field_name()
    names = {each.name for each in users._meta.get_fields()} - {users.USERNAME_FIELD}
    if "@" not in address or field not in names:
        return None
    return _only(users._default_manager.filter(**{f"{field}__iexact": address})[:2])


@USERS.asks
def look_up(name: str) -> AbstractBaseUser | None:
    """Return the user whose name or whose e-mail address this is."""
    return find_by_name(name) or find_by_email(name)


def forget(user: AbstractBaseUser) -> None:
    """Forget the guesses counted for ``user``; those of addresses stay, and devices stay known."""
    counts.forget(row_ids(user.get_username(), user))


def unlock(name: str) -> bool:
    """Forget what was counted for an account or an address; say whether anything was.

    ``name`` is that of an account, which need not exist, an e-mail address or an IP address.
    """
    return counts.forget(row_ids(name)) > 0


def row_ids(name: str, user: AbstractBaseUser | None = None) -> list[str]:
    """Return the ids of the rows that ``unlock()`` deletes."""
    user = user or look_up(name)
    address = getattr(user, get_user_model().get_email_field_name(), "") if user else ""
    names = {name, user.get_username(), address} if user else {name}
    factors = [method for stage in get_stages() for method in stage.methods]
    limits = [counts.of_account(user, name, purpose) for purpose in (counts.PASSWORD, *factors)]
    limits += [counts.of_name(each, "password") for each in names if each]
    with suppress(ValueError):  # the name is no IP address
        limits.append(counts.of_network(client_network(name) or name, "password"))
    return [limit.id for limit in limits]


def pardon(user: AbstractBaseUser) -> None:
    """Let the failures in a row of ``user``, who has a new password, begin anew.

    The delays stay, so nobody else notices.
    """
    counts.pardon(counts.of_account(user, "").id)


def _only(found: Iterable[AbstractBaseUser]) -> AbstractBaseUser | None:
    first, *others = [*found, None]
    return None if len(others) > 1 else first
