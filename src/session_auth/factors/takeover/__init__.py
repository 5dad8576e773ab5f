"""Take over the factors of another package, so that nobody has to set them up again.

``manage.py take_over_factors`` does so for django-allauth and django-otp; for any other package,
call ``take_over()``. It needs the extras ``passkeys`` and ``totp``.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.decode_credential_public_key import decode_credential_public_key

from session_auth import events
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.factors import encryption, passkeys, recovery, rows
from session_auth.factors.models import Factor, Kind, TakenOver
from session_auth.keys import digest

__all__ = ["Found", "Result", "app", "passkey", "recovery_code", "take_over"]

NO_KEYS = "it needs SESSION_AUTH_TOTP_KEYS"
NO_ORIGINS = "it needs SESSION_AUTH_PASSKEY_ORIGINS"
WEAK = COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A factor of a user in the tables of another package; ``app()`` and its sisters make it.

    ``origin`` names its row there: a factor is taken over once, whatever becomes of it here.
    ``factor`` is what is stored; without it, ``why`` says, as a part of a sentence, why it is left.
    """

    origin: str
    user_id: Any
    kind: str
    factor: Factor | None = field(default=None, repr=False)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What ``take_over()`` has done, or would do."""

    taken: list[Found] = field(default_factory=list)
    before: list[Found] = field(default_factory=list)
    """What was taken over before, and is not looked at again."""

    left: list[Found] = field(default_factory=list)


@sensitive_variables("secret")
def app(
    origin: str,
    *,
    user_id: Any,
    secret: bytes,
    last_step: int = 0,
    created_at: datetime | None = None,
) -> Found:
    """Return an authenticator app: one with 6 digits, steps of 30 seconds and SHA-1.

    ``secret`` is the secret itself, decoded from base32. ``last_step`` is the last step, in steps
    since the epoch, whose code was accepted there: it and those before it are not accepted here.
    """
    found = Found(origin=origin, user_id=user_id, kind=Kind.TOTP)
    if not get_conf().TOTP_KEYS:
        return replace(found, why=NO_KEYS)
    factor = Factor(
        id=rows.totp_id(user_id),
        user_id=user_id,
        kind=Kind.TOTP,
        material=encryption.encrypt(secret, user_id=user_id),
        counter=last_step,
        created_at=created_at or timezone.now(),
    )
    return replace(found, factor=factor)


def passkey(
    origin: str,
    *,
    user_id: Any,
    credential_id: bytes,
    public_key: bytes,
    sign_count: int = 0,
    name: str = "",
    handle: bytes | None = None,
    verifies: bool = False,
    created_at: datetime | None = None,
) -> Found:
    """Return a passkey, with its public key in COSE.

    ``handle`` is the user handle that it was made with; without it, if nobody knows, it logs nobody
    in without a name. ``verifies`` says whether it has verified its user when it was made. If not,
    it proves one factor, by the method ``security_key``, in the place of another second one.
    """
    found = Found(origin=origin, user_id=user_id, kind=Kind.PASSKEY)
    if not get_conf().PASSKEY_ORIGINS:
        return replace(found, why=NO_ORIGINS)
    algorithm = COSEAlgorithmIdentifier(decode_credential_public_key(public_key).alg)
    if algorithm == WEAK:
        return replace(found, why="it signs by a weak algorithm")
    text = bytes_to_base64url(credential_id)
    details = {
        "credential_id": text,
        "handle": bytes_to_base64url(handle or b""),
        "verifies": verifies,
    }
    factor = passkeys.row_for(
        user_id,
        name="".join(each for each in name if each.isprintable()),  # or no list could show it
        public_key=public_key,
        sign_count=sign_count,
        details=details,
        created_at=created_at,
    )
    return replace(found, factor=factor)


@sensitive_variables("code")
def recovery_code(
    origin: str, *, user_id: Any, code: str, created_at: datetime | None = None
) -> Found:
    """Return a recovery code. Several may have the same ``origin``."""
    found = Found(origin=origin, user_id=user_id, kind=Kind.RECOVERY)
    if not get_conf().TOTP_KEYS:
        return replace(found, why=NO_KEYS)
    plain = recovery.plain(code)
    factor = Factor(
        # An id that tells no code: they are short.
        id=digest(encryption.encrypt(plain.encode(), user_id=user_id)),
        user_id=user_id,
        kind=Kind.RECOVERY,
        material=encryption.encrypt(plain.encode(), user_id=user_id),
        created_at=created_at or timezone.now(),
    )
    return replace(found, factor=factor)


def take_over(found: Iterable[Found], *, source: str, dry_run: bool = False) -> Result:
    """Store what was ``found`` of one user, in one transaction, and return what came of it.

    ``source`` names the package. The first app stays, so give the one that is used first. What
    the user has set up here already stays, too: an app, or recovery codes. Nobody is told by mail;
    each kind is an event. With ``dry_run``, nothing is stored.

    What was taken over once never is again. So it may be called again after a failure; and what
    happens in the tables of the other package from then on, is not followed.
    """
    result, found = Result(), list(found)
    with rows.STORE.guards(), transaction.atomic(using=rows.STORE.alias()):
        marker = partial(_marker, source)
        known, there, has_codes = _state(found, {marker(each) for each in found})
        for each in found:
            if marker(each) in known:
                result.before.append(each)
            elif each.factor is None:
                result.left.append(each)
            elif why := _conflict(each.factor, there, has_codes=has_codes):
                result.left.append(replace(each, why=why))
            else:
                there.add(each.factor.id)
                result.taken.append(each)
        if not dry_run:
            _store(result.taken, {marker(each) for each in result.taken})
    if not dry_run:
        for kind in dict.fromkeys(each.kind for each in result.taken):
            user_id = result.taken[0].user_id
            events.record(Event.FACTOR_ADDED, user_id=user_id, factor=kind, source=source)
    return result


def _marker(source: str, found: Found) -> str:
    return digest(f"{source} {found.origin}")


def _state(found: Collection[Found], markers: Collection[str]) -> tuple[set[str], set[str], bool]:
    """Return what was taken over before, the ids that are there, and whether codes are."""
    alias = rows.STORE.alias()
    known = TakenOver.objects.using(alias).filter(id__in=markers)
    factors = Factor.objects.using(alias)
    ids = [each.factor.id for each in found if each.factor]
    users = {each.user_id for each in found}
    own_codes = factors.filter(user_id__in=users, kind=Kind.RECOVERY, material="")
    return (
        set(known.values_list("id", flat=True)),
        set(factors.filter(id__in=ids).values_list("id", flat=True)),
        own_codes.exists(),
    )


def _conflict(factor: Factor, there: Collection[str], *, has_codes: bool) -> str:
    if factor.kind == Kind.RECOVERY and has_codes:
        return "the user has made recovery codes here"
    if factor.id in there:
        return "there is one already" if factor.kind == Kind.PASSKEY else "the user has an app here"
    return ""


def _store(taken: Iterable[Found], markers: Iterable[str]) -> None:
    alias = rows.STORE.alias()
    TakenOver.objects.using(alias).bulk_create(TakenOver(id=each) for each in markers)
    rows.add([each.factor for each in taken if each.factor])
