"""The factors in the table of ``allauth.mfa``, read by its own code.

Secrets that its adapter has encrypted, the adapter decrypts. The user handle of a passkey is what
the adapter gives out: the primary key, unless that was changed.
"""

import base64
import hashlib
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any

from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables
from webauthn.helpers import base64url_to_bytes, parse_attestation_object

from session_auth.conf import get_conf
from session_auth.factors import relying_party, totp
from session_auth.factors.takeover import Found, app, passkey, recovery_code


def found() -> Iterator[list[Found]]:
    """Yield what each user has."""
    authenticators = Authenticator.objects.order_by("user_id", "pk").iterator(chunk_size=500)
    for _, mine in groupby(authenticators, key=attrgetter("user_id")):
        yield [each for row in mine for each in _read(row)]


def _read(row: Any) -> list[Found]:
    try:
        return READERS[row.type](row)
    except ImproperlyConfigured:  # ours: nothing would be taken over
        raise
    # The adapter is the project's, and the data may be of any version.
    except Exception as exc:
        return _left(row, f"it cannot be read: {type(exc).__name__}")


@sensitive_variables()
def _app(row: Any) -> list[Found]:
    if (app_settings.TOTP_DIGITS, app_settings.TOTP_PERIOD) != (totp.DIGITS, totp.STEP_SECONDS):
        return _left(row, "its codes are not of six digits, one each 30 seconds")
    text = decrypt(row.data["secret"]).upper()
    used_at = row.last_used_at or row.created_at
    return [
        app(
            _origin(row),
            user_id=row.user_id,
            secret=base64.b32decode(text + "=" * (-len(text) % 8)),
            last_step=int(used_at.timestamp()) // totp.STEP_SECONDS + app_settings.TOTP_TOLERANCE,
            created_at=row.created_at,
        )
    ]


@sensitive_variables()
def _codes(row: Any) -> list[Found]:
    return [
        recovery_code(_origin(row), user_id=row.user_id, code=code, created_at=row.created_at)
        for code in row.wrap().get_unused_codes()
    ]


def _passkey(row: Any) -> list[Found]:
    response = row.data["credential"]["response"]
    data = parse_attestation_object(base64url_to_bytes(response["attestationObject"])).auth_data
    has_origins = bool(get_conf().PASSKEY_ORIGINS)  # or it is left for that
    if has_origins and data.rp_id_hash != hashlib.sha256(relying_party.rp_id().encode()).digest():
        return _left(row, f"it was made for another domain than {relying_party.rp_id()}")
    made = data.attested_credential_data
    if made is None:
        raise ValueError("No key was attested.")
    return [
        passkey(
            _origin(row),
            user_id=row.user_id,
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=data.sign_count,
            name=row.wrap().name,
            handle=get_adapter().get_public_key_credential_user_entity(row.user)["id"],
            verifies=data.flags.uv,
            created_at=row.created_at,
        )
    ]


def _left(row: Any, why: str) -> list[Found]:
    return [Found(origin=_origin(row), user_id=row.user_id, kind=row.type, why=why)]


def _origin(row: Any) -> str:
    return f"{row.type} {row.pk}"


READERS = {
    Authenticator.Type.TOTP: _app,
    Authenticator.Type.RECOVERY_CODES: _codes,
    Authenticator.Type.WEBAUTHN: _passkey,
}
