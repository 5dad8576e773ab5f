"""What this site asks of passkeys, over py_webauthn, whose defaults are not safe.

Each registration and each proof needs user verification, but that of a key that was taken over from
another package, which stands beside a password. Who we are comes from the settings, never
from a request. That a challenge is used once is for ``challenges`` to see to.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import webauthn
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import base64url_to_bytes, options_to_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from session_auth.conf import ORIGIN, get_conf
from session_auth.factors.challenges import LIFETIME

TIMEOUT_MILLISECONDS = round(LIFETIME.total_seconds() * 1000)


class Unverified(Exception):
    """An authenticator, or somebody who says so, has sent what proves nothing."""


def rp_id() -> str:
    """Return the domain that passkeys are bound to."""
    return get_conf().PASSKEY_DOMAIN or urlsplit(_origins()[0]).hostname or ""


def site_name() -> str:
    """Return what authenticators and apps show of this site."""
    return get_conf().SITE_NAME or rp_id()


def creation_options(
    *, challenge: str, handle: str, user_name: str, known_ids: Iterable[str]
) -> dict[str, Any]:
    """Return what ``PublicKeyCredential.parseCreationOptionsFromJSON()`` takes."""
    options = webauthn.generate_registration_options(
        rp_id=rp_id(),
        rp_name=site_name(),
        user_id=base64url_to_bytes(handle),
        user_name=user_name,
        user_display_name=user_name,
        challenge=base64url_to_bytes(challenge),
        timeout=TIMEOUT_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(known_ids),
    )
    return _as_dict(options_to_json(options))


def request_options(
    *, challenge: str, known_ids: Iterable[str] = (), is_verified: bool = True
) -> dict[str, Any]:
    """Return what ``PublicKeyCredential.parseRequestOptionsFromJSON()`` takes.

    Without ``known_ids``, any passkey for this site will do, and nobody's are told. With
    ``is_verified=False``, beside a password, the authenticator does not ask who holds it.
    """
    verification = UserVerificationRequirement
    options = webauthn.generate_authentication_options(
        rp_id=rp_id(),
        challenge=base64url_to_bytes(challenge),
        timeout=TIMEOUT_MILLISECONDS,
        allow_credentials=_descriptors(known_ids),
        user_verification=verification.REQUIRED if is_verified else verification.DISCOURAGED,
    )
    return _as_dict(options_to_json(options))


def challenge_in(credential: Mapping[str, Any]) -> str:
    """Return the challenge that a credential says it answers; "" if it says none."""
    client_data = _client_data(credential)
    if client_data.get("crossOrigin") or "topOrigin" in client_data:
        return ""  # from a frame in a page of another site
    challenge = str(client_data.get("challenge", ""))
    return challenge if challenge.isascii() else ""  # a lone surrogate has no digest


def strange_origin_in(credential: Mapping[str, Any]) -> str:
    """Return the origin that a credential says it is from; "" if the settings have it, or no site.

    It is for a hint alone.
    """
    origin = str(_client_data(credential).get("origin"))
    return origin if ORIGIN.fullmatch(origin) and origin not in _origins() else ""


def _client_data(credential: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        found = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
    # A stranger wrote it: it may be anything.
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def verify_new(credential: Mapping[str, Any], *, challenge: str) -> VerifiedRegistration:
    """Return what a new passkey says of itself. Raises ``Unverified``."""
    try:
        return webauthn.verify_registration_response(
            credential=dict(credential),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=rp_id(),
            expected_origin=_origins(),
            require_user_verification=True,
        )
    # Of a stranger's bytes, the library and what it calls raise errors of many kinds.
    except Exception as exc:
        raise Unverified from exc


def verify(
    credential: Mapping[str, Any], *, challenge: str, public_key: str, is_verified: bool = True
) -> VerifiedAuthentication:
    """Return what a passkey says of its use. Raises ``Unverified``.

    The sign count is for the caller to judge: to refuse one that is behind would lock people out.
    """
    try:
        return webauthn.verify_authentication_response(
            credential=dict(credential),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=rp_id(),
            expected_origin=_origins(),
            credential_public_key=base64url_to_bytes(public_key),
            credential_current_sign_count=0,
            require_user_verification=is_verified,
        )
    except Exception as exc:  # as above
        raise Unverified from exc


def _origins() -> list[str]:
    return list(get_conf().PASSKEY_ORIGINS)


def _descriptors(known_ids: Iterable[str]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(each)) for each in known_ids]


def _as_dict(text: str) -> dict[str, Any]:
    options: dict[str, Any] = json.loads(text)
    return options
