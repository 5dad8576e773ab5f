"""The rows of the factors: each is used up by one conditional statement, so that it counts once."""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import router
from django.db.models import F, QuerySet
from django.utils import timezone

from session_auth.factors import challenges
from session_auth.factors.models import Factor, Kind, UserHandle
from session_auth.keys import digest, is_session_id
from session_auth.operations import FactorDescription
from session_auth.stores import Boundary

STORE = Boundary("factors", alias=lambda: router.db_for_write(Factor))
HANDLE_BYTES = 32

SECURITY_KEY = "security_key"
"""The method of a key that was taken over, and need not verify its user: one factor."""

METHODS = (Kind.PASSKEY.value, SECURITY_KEY, Kind.TOTP.value, Kind.RECOVERY.value)
"""All methods, the best one first."""

STRONG = (Kind.PASSKEY, Kind.TOTP)
"""The kinds that make a second factor due. Recovery codes only stand in for them."""


def of_user(user_id: Any) -> list[Factor]:
    """Return the factors of a user, the oldest first. One statement.

    They are read from the database that is written to: a replica may not have the latest yet.
    """
    return STORE.asks(list[Factor])(_rows().filter(user_id=user_id).order_by("created_at", "id"))


def strong(factors: Iterable[Factor]) -> list[Factor]:
    """Return the passkeys and the authenticator app among ``factors``."""
    return [factor for factor in factors if factor.kind in STRONG]


def methods_of(factors: Iterable[Factor]) -> list[str]:
    """Return the names of the methods that ``factors`` are for, the best one first.

    Recovery codes alone are no second factor.
    """
    found = {SECURITY_KEY if is_security_key(each) else each.kind for each in factors}
    return [method for method in METHODS if method in found] if found - {Kind.RECOVERY} else []


def is_security_key(factor: Factor) -> bool:
    """Say whether it is a key that need not verify its user, for which it is no second proof."""
    return factor.kind == Kind.PASSKEY and json.loads(factor.details).get("verifies") is False


@STORE.asks
def find(kind: Kind, factor_id: str, *, user_id: Any = None) -> Factor | None:
    """Return the factor with this id, if it is of the user; of any without ``user_id``."""
    if not is_session_id(factor_id):  # a digest as well; PostgreSQL takes no NUL
        return None
    whose = {} if user_id is None else {"user_id": user_id}
    return _rows().filter(id=factor_id, kind=kind, **whose).first()


def is_there(factor_id: str, created_at: datetime) -> bool:
    """Say whether the factor is there still, and no other one in its place.

    If it is being removed right now, wait for that: a write of the row does, and to read it does
    not. In a transaction, nobody removes it before the end of that.
    """
    return _rows().filter(id=factor_id, created_at=created_at).update(counter=F("counter")) == 1


def ids_of_codes(user_id: Any) -> set[str]:
    """Return the ids of the recovery codes of a user that are left."""
    return set(_rows().filter(user_id=user_id, kind=Kind.RECOVERY).values_list("id", flat=True))


def spend_step(factor: Factor, step: int) -> bool:
    """Accept the code of ``step``, unless one of that step or a later one was accepted already."""
    unspent = _rows().filter(id=factor.id, created_at=factor.created_at, counter__lt=step)
    return STORE.changes(unspent.update)(counter=step, last_used_at=timezone.now()) == 1


def spend_code(user_id: Any, factor_id: str) -> bool:
    """Accept a recovery code of the user, which is gone by that."""
    unspent = _rows().filter(id=factor_id, user_id=user_id, kind=Kind.RECOVERY)
    return STORE.changes(unspent.delete)()[0] == 1


def note_use(factor: Factor, *, counter: int, details: str) -> bool:
    """Note that a passkey was used; say whether it is there still."""
    rows = _rows().filter(id=factor.id)
    return (
        STORE.changes(rows.update)(counter=counter, details=details, last_used_at=timezone.now())
        == 1
    )


@STORE.changes
def add(factors: Iterable[Factor]) -> None:
    """Store new factors."""
    _rows().bulk_create(factors)


def remove(user_id: Any, kind: Kind | None = None, *, factor_id: str | None = None) -> int:
    """Delete factors of a user: of one kind or with one id; return how many there were."""
    rows = _rows().filter(user_id=user_id)
    rows = rows if kind is None else rows.filter(kind=kind)
    rows = rows if factor_id is None else rows.filter(id=factor_id)
    return rows.delete()[0]


def rename(user_id: Any, factor_id: str, name: str) -> bool:
    """Give a passkey of the user another name; say whether there is such a passkey."""
    if not is_session_id(factor_id):
        return False
    rows = _rows().filter(user_id=user_id, id=factor_id, kind=Kind.PASSKEY)
    return rows.update(name=name) == 1


def encrypted() -> Iterator[Factor]:
    """Yield the factors of all users whose material is encrypted."""
    rows = _rows().exclude(kind=Kind.PASSKEY).exclude(material="")
    yield from rows.order_by("id").iterator(chunk_size=500)


def replace_material(factor: Factor, change: Callable[[str], str]) -> bool:
    """Store ``change(material)``, unless the factor was replaced meanwhile; say whether it was."""
    same = _rows().filter(id=factor.id, created_at=factor.created_at)
    return STORE.asks(same.update)(material=change(factor.material)) == 1


def describe(factor: Factor) -> FactorDescription:
    """Return what its user sees of a factor."""
    return {
        "id": factor.id,
        "name": factor.name,
        "created_at": factor.created_at,
        "last_used_at": factor.last_used_at,
    }


def passkey_id(credential_id: str) -> str:
    """Return the id of a passkey that browsers know by ``credential_id``, in base64url."""
    return digest(f"passkey {credential_id}")


def totp_id(user_id: Any) -> str:
    """Return the id of a user's authenticator app: there is one for each user."""
    return digest(f"totp {user_id}")


@STORE.asks
def handle_of(user_id: Any) -> str:
    """Return what passkeys know the user by, in base64url; it is made at the first call."""
    rows = UserHandle.objects.using(STORE.alias())
    new = secrets.token_urlsafe(HANDLE_BYTES)
    row, _ = rows.get_or_create(user_id=user_id, defaults={"handle": new})
    return row.handle


def lock(user_id: Any) -> None:
    """Let transactions that change factors of one user wait for each other, up to the commit.

    The user must have a handle by then (``handle_of()``): a write of that, as it is, locks on each
    kind of database.
    """
    UserHandle.objects.using(STORE.alias()).filter(user_id=user_id).update(handle=F("handle"))


def forget_user(*, instance: Any, **kwargs: Any) -> None:
    """Receive ``pre_delete`` of users: their factors go with them."""
    remove(instance.pk)
    UserHandle.objects.using(STORE.alias()).filter(user_id=instance.pk).delete()
    challenges.forget(instance.pk)


def _rows() -> QuerySet[Factor]:
    return Factor.objects.using(STORE.alias())
