"""Passkeys: registered by users, and used to log in without a name or to prove who one is."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables
from webauthn.helpers import bytes_to_base64url

from session_auth import events
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import InvalidCredentials, InvalidRequest, NotFound, UnknownPasskey
from session_auth.factors import challenges, proofs, relying_party, rows
from session_auth.factors.challenges import Purpose
from session_auth.factors.models import NAME_CHARACTERS, Factor, Kind
from session_auth.factors.relying_party import Unverified
from session_auth.operations import PasskeySignals
from session_auth.stores import USERS

TRANSPORTS = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})


def require_origins() -> None:
    """Raise ``NotFound`` if the settings do not say from where passkeys are used."""
    if not get_conf().PASSKEY_ORIGINS:
        raise NotFound(
            _("Passkeys cannot be used here."),
            hint="Set SESSION_AUTH_PASSKEY_ORIGINS: passkeys are bound to them.",
        )


def registration_options(request: HttpRequest, user: AbstractBaseUser) -> dict[str, Any]:
    """Return what the user's browser needs to make a passkey, within five minutes."""
    challenge = challenges.new_challenge()
    challenges.issue(request, Purpose.PASSKEY, challenge=challenge, user_id=user.pk)
    factors = rows.of_user(user.pk)
    return relying_party.creation_options(
        challenge=challenge,
        handle=rows.handle_of(user.pk),
        user_name=user.get_username(),
        # A security key may hold a passkey, too.
        known_ids=credential_ids([each for each in factors if not rows.is_security_key(each)]),
    )


def registered(
    request: HttpRequest, user: AbstractBaseUser, credential: Mapping[str, Any], *, name: str
) -> Factor:
    """Return the row to store for a passkey that this browser has just made.

    Raises ``InvalidRequest``.
    """
    check_name(name)
    challenge = relying_party.challenge_in(credential)
    is_ours = challenges.take(request, Purpose.PASSKEY, challenge=challenge, user_id=user.pk)
    try:
        if not is_ours:
            raise Unverified
        verified = relying_party.verify_new(credential, challenge=challenge)
    except Unverified as exc:
        origin = relying_party.strange_origin_in(credential)
        hint = f"The page is at {origin}. If that is yours, add it to SESSION_AUTH_PASSKEY_ORIGINS."
        raise InvalidRequest(
            fields={"credential": [_("This passkey could not be verified.")]},
            hint=hint if origin else None,
        ) from exc
    credential_id = bytes_to_base64url(verified.credential_id)
    transports = credential["response"].get("transports")
    details = {
        "credential_id": credential_id,
        "aaguid": verified.aaguid,
        "transports": [each for each in _strings(transports) if each in TRANSPORTS],
        "synced": verified.credential_device_type == "multi_device",
        "backed_up": verified.credential_backed_up,
    }
    return row_for(
        user.pk,
        name=name,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        details=details,
    )


def check_name(name: str) -> None:
    """Raise ``InvalidRequest`` if nobody could read the name in a list."""
    if len(name) > NAME_CHARACTERS or not name.isprintable():
        short = ngettext(
            "Must be printable, and no longer than %(count)d character.",
            "Must be printable, and no longer than %(count)d characters.",
            NAME_CHARACTERS,
        )
        raise InvalidRequest(fields={"name": [short % {"count": NAME_CHARACTERS}]})


def row_for(
    user_id: Any,
    *,
    name: str,
    public_key: bytes,
    sign_count: int,
    details: Mapping[str, Any],
    created_at: datetime | None = None,
) -> Factor:
    """Return the row to store for a passkey."""
    return Factor(
        id=rows.passkey_id(details["credential_id"]),
        user_id=user_id,
        kind=Kind.PASSKEY,
        name=name[:NAME_CHARACTERS],
        material=bytes_to_base64url(public_key),
        counter=sign_count,
        details=json.dumps(details),
        created_at=created_at or timezone.now(),
    )


def request_options(
    request: HttpRequest, user: AbstractBaseUser | None = None, *, purpose: Purpose = Purpose.PROOF
) -> dict[str, Any]:
    """Return what a browser needs to use a passkey: any, or one of ``user``, who is known."""
    challenge = challenges.new_challenge()
    if user is None:
        challenges.issue(request, Purpose.LOGIN, challenge=challenge)
        return relying_party.request_options(challenge=challenge)
    challenges.issue(request, purpose, challenge=challenge, user_id=user.pk)
    factors = rows.of_user(user.pk)
    is_verified = purpose != Purpose.SECURITY_KEY
    return relying_party.request_options(
        challenge=challenge,
        known_ids=credential_ids(
            [each for each in factors if is_verified != rows.is_security_key(each)]
        ),
        is_verified=is_verified,
    )


@sensitive_variables()
def user_to_log_in(request: HttpRequest, credential: Mapping[str, Any]) -> AbstractBaseUser:
    """Return the user whom a passkey has named and proven, with the backend that lets them in.

    Raises ``UnknownPasskey`` if the site knows no such passkey, ``InvalidCredentials`` if it proves
    nothing or its user may not log in, and ``Throttled``.
    """
    factor = rows.find(Kind.PASSKEY, rows.passkey_id(str(credential.get("id"))))
    if factor is None:
        raise UnknownPasskey
    user = _user_of_backends(factor.user_id)
    if user is None:
        # Not unknown: the browser would forget the passkey of somebody who may be back tomorrow.
        events.record(Event.LOGIN_FAILED, request, user_id=factor.user_id)
        raise InvalidCredentials
    use = partial(_use, purpose=Purpose.LOGIN)
    try:
        proofs.count_and_check(request, user, Kind.PASSKEY, credential, use_up=use)
    except InvalidCredentials:
        events.record(Event.LOGIN_FAILED, request, user_id=user.pk)
        raise
    return user


def use_up(
    request: HttpRequest, user: AbstractBaseUser, credential: Mapping[str, Any]
) -> Factor | None:
    """Return the passkey if this use of it is right, by ``user``, who is known already."""
    return _use(request, user, credential, purpose=Purpose.PROOF)


def use_up_key(
    request: HttpRequest, user: AbstractBaseUser, credential: Mapping[str, Any]
) -> Factor | None:
    """Return what ``use_up()`` returns, for a key that need not verify its user."""
    return _use(request, user, credential, purpose=Purpose.SECURITY_KEY)


def signals(removed: Factor, factors: list[Factor]) -> PasskeySignals:
    """Return what ``PublicKeyCredential.signalAllAcceptedCredentials()`` takes."""
    return {
        "rpId": relying_party.rp_id(),
        "userId": handle_in(removed),
        "allAcceptedCredentialIds": credential_ids(factors),
    }


def credential_ids(factors: list[Factor]) -> list[str]:
    """Return the ids by which browsers know the passkeys among ``factors``."""
    return [
        json.loads(factor.details)["credential_id"]
        for factor in factors
        if factor.kind == Kind.PASSKEY
    ]


def handle_in(factor: Factor) -> str:
    """Return what the passkey knows its user by; "" if nobody knows.

    Those that were taken over from another package have kept what that has given them.
    """
    handle: str | None = json.loads(factor.details).get("handle")
    return rows.handle_of(factor.user_id) if handle is None else handle


def _use(
    request: HttpRequest,
    user: AbstractBaseUser,
    credential: Mapping[str, Any],
    *,
    purpose: Purpose,
) -> Factor | None:
    challenge = relying_party.challenge_in(credential)
    whose = "" if purpose == Purpose.LOGIN else user.pk
    if not challenges.take(request, purpose, challenge=challenge, user_id=whose):
        return None
    factor = rows.find(Kind.PASSKEY, rows.passkey_id(str(credential.get("id"))), user_id=user.pk)
    if factor is None or not _has_handle(factor, credential, is_required=purpose == Purpose.LOGIN):
        return None
    is_verified = purpose != Purpose.SECURITY_KEY
    # Whoever finds a key without a PIN can set one: it verifies its user from then on.
    if is_verified == rows.is_security_key(factor):
        return None
    try:
        verified = relying_party.verify(
            credential,
            challenge=challenge,
            public_key=factor.material,
            is_verified=is_verified,
        )
    except Unverified:
        return None
    count = verified.new_sign_count
    if count <= factor.counter and factor.counter:
        # Noted, never a lock-out: synced passkeys count as they like.
        events.record(
            Event.PASSKEY_COUNT_BEHIND, request, user_id=user.pk, factor_id=factor.id, count=count
        )
    details = json.loads(factor.details) | {"backed_up": verified.credential_backed_up}
    counter = max(count, factor.counter)
    return factor if rows.note_use(factor, counter=counter, details=json.dumps(details)) else None


def _has_handle(factor: Factor, credential: Mapping[str, Any], *, is_required: bool) -> bool:
    """Say whether the authenticator names the user; for a user who is known, it need not."""
    given, handle = credential["response"].get("userHandle"), handle_in(factor)
    if not is_required and (given is None or not handle):
        return True
    return bool(handle) and given == handle


@USERS.asks
def _user_of_backends(user_id: Any) -> AbstractBaseUser | None:
    """Return the user, as the first backend that lets them in finds them."""
    for path in settings.AUTHENTICATION_BACKENDS:
        user: Any = auth.load_backend(path).get_user(user_id)
        if user is not None:
            user.backend = path
            return user  # type: ignore[no-any-return]  # of whatever the backend returns
    return None


def _strings(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


proofs.checkers[Kind.PASSKEY] = ("credential", use_up)
proofs.checkers[rows.SECURITY_KEY] = ("credential", use_up_key)
