"""The authenticator app of a user: set up with a first code, then one code for each step."""

import io
from functools import partial

import segno
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from session_auth import attempts
from session_auth.conf import get_conf
from session_auth.exceptions import NotFound
from session_auth.factors import challenges, encryption, proofs, rows, totp
from session_auth.factors.challenges import Purpose
from session_auth.factors.models import Factor, Kind
from session_auth.operations import NewApp


def require_keys() -> None:
    """Raise ``NotFound`` if secrets cannot be encrypted: then nobody can set up an app."""
    if not get_conf().TOTP_KEYS:
        raise NotFound(
            _("Authenticator apps cannot be used here."),
            hint="Set SESSION_AUTH_TOTP_KEYS: secrets are stored encrypted.",
        )


@sensitive_variables()
def begin(request: HttpRequest, user: AbstractBaseUser, *, go_on: bool = False) -> NewApp:
    """Return a new secret, as apps take it; this browser may confirm it within five minutes.

    With ``go_on``, it is the one that was begun in this browser, if there is one: a page that is
    shown again, after a wrong code say, is to fit the app that has read it.
    """
    purpose = Purpose.TOTP
    begun = challenges.find(request, purpose, challenge=purpose, user_id=user.pk) if go_on else None
    secret = encryption.decrypt(begun.material, user_id=user.pk) if begun else totp.new_secret()
    challenges.issue(
        request,
        purpose,
        challenge=purpose,
        user_id=user.pk,
        material=encryption.encrypt(secret, user_id=user.pk),
    )
    issuer = get_conf().SITE_NAME or request.get_host()
    uri = totp.uri_of(secret, issuer=issuer, account=user.get_username())
    return {"secret": totp.in_base32(secret), "uri": uri, "qr_code": qr_code(uri)}


@sensitive_variables()
def confirmed(request: HttpRequest, user: AbstractBaseUser, code: str) -> Factor | None:
    """Return the row to store if ``code`` is the first of the new secret; else ``None``.

    A wrong code may be tried again. Raises ``NotFound`` if nothing was begun in this browser.
    """
    pending = challenges.find(request, Purpose.TOTP, challenge=Purpose.TOTP, user_id=user.pk)
    if pending is None:
        raise NotFound(
            _("Begin anew: this took more than five minutes, or another browser began it.")
        )
    step = totp.step_of(encryption.decrypt(pending.material, user_id=user.pk), code)
    purpose = Purpose.TOTP
    # Another request of the same browser may be faster.
    if step is None or not challenges.take(request, purpose, challenge=purpose, user_id=user.pk):
        return None
    return Factor(
        id=rows.totp_id(user.pk),
        user_id=user.pk,
        kind=Kind.TOTP,
        material=pending.material,
        counter=step,  # the first code is used up, too
        created_at=timezone.now(),
    )


@sensitive_variables()
def use_up(request: HttpRequest, user: AbstractBaseUser, code: str) -> Factor | None:
    """Accept a code of the user's app, if no code of its step or a later one was accepted."""
    factor = rows.find(Kind.TOTP, rows.totp_id(user.pk), user_id=user.pk)
    if factor is None:
        return None
    step = totp.step_of(encryption.decrypt(factor.material, user_id=user.pk), code)
    if step is None:
        return None
    spend = partial(rows.spend_step, factor, step)
    return factor if attempts.lasting(request, spend, alias=rows.STORE.alias()) else None


def qr_code(uri: str) -> str:
    """Return the QR code of a URI as an SVG element."""
    out = io.BytesIO()
    segno.make(uri, error="m").save(out, kind="svg", xmldecl=False, omitsize=True, border=2)
    return out.getvalue().decode().strip()


proofs.checkers[Kind.TOTP] = ("code", use_up)
