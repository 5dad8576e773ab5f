"""What one browser is to answer: once, within five minutes, for one purpose.

A browser is known by a cookie of its own, so that visitors need no session for a challenge. Who
steals a challenge, or makes a victim answer one, has another cookie.
"""

import secrets
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connections, router
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from session_auth import attempts, throttling
from session_auth.cookie_header import twins
from session_auth.factors.models import Challenge
from session_auth.keys import digest, is_session_key
from session_auth.stores import Boundary

LIFETIME = timedelta(minutes=5)
CHALLENGE_BYTES = 32
PRUNE_ROWS = 10
"""How many expired rows are deleted with each new one."""

NEW_SECRET = "_session_auth_challenge_cookie"  # noqa: S105 # a name
"""The attribute of a request that holds the new secret which its answer sends."""


class Purpose(StrEnum):
    """What a challenge is for; it serves nothing else."""

    LOGIN = "login"
    PROOF = "proof"
    """Of a user who is known already: a second factor, or a step-up."""

    SECURITY_KEY = "security_key"
    """The same, by a key that need not verify its user."""

    PASSKEY = "passkey"
    """The registration of a passkey."""

    TOTP = "totp"
    """The first code of an authenticator app."""


STORE = Boundary("factors", alias=lambda: router.db_for_write(Challenge))


def cookie_name() -> str:
    """Return the name of the cookie, with the prefix of the session cookie, such as ``__Host-``."""
    return f"{settings.SESSION_COOKIE_NAME}_challenge"


def new_challenge() -> str:
    """Return 256 random bits, in base64url."""
    return secrets.token_urlsafe(CHALLENGE_BYTES)


def issue(
    request: HttpRequest, purpose: Purpose, *, challenge: str, user_id: Any = "", material: str = ""
) -> Challenge:
    """Keep a challenge for the browser that has sent ``request``; the answer sets its cookie.

    The same challenge, issued again, replaces the first. Raises ``Throttled``: anybody may ask for
    one, and each is a row.
    """
    throttling.limit_rows(request, purpose="challenge", lifetime=LIFETIME)
    secret = _secret_of(request)
    if secret is None:  # one for all challenges of this answer
        secret = vars(request).setdefault(NEW_SECRET, secrets.token_urlsafe(CHALLENGE_BYTES))
    attempts.on_answer(request, lambda response: _set_cookie(response, secret))
    row = Challenge(
        id=_id_of(challenge, secret),
        purpose=purpose,
        user_id=str(user_id),
        material=material,
        expires_at=timezone.now() + LIFETIME,
    )
    attempts.lasting(request, partial(_store, row), alias=STORE.alias())
    return row


@STORE.asks
def find(
    request: HttpRequest, purpose: Purpose, *, challenge: str, user_id: Any = ""
) -> Challenge | None:
    """Return the challenge, if this browser may answer it still; it may be answered again."""
    rows = _rows_for(request, purpose, challenge=challenge, user_id=user_id)
    return None if rows is None else rows.first()


def take(request: HttpRequest, purpose: Purpose, *, challenge: str, user_id: Any = "") -> bool:
    """Use the challenge up, and say whether this browser may answer it: of many tries, one may."""
    rows = _rows_for(request, purpose, challenge=challenge, user_id=user_id)
    if rows is None:
        return False
    return attempts.lasting(request, STORE.changes(rows.delete), alias=STORE.alias())[0] == 1


def forget(user_id: Any) -> None:
    """Delete the challenges of a user."""
    STORE.asks(_rows().filter(user_id=str(user_id)).delete)()


def _rows_for(
    request: HttpRequest, purpose: Purpose, *, challenge: str, user_id: Any
) -> QuerySet[Challenge] | None:
    secret = _secret_of(request)
    if secret is None:
        return None
    return _rows().filter(
        id=_id_of(challenge, secret),
        purpose=purpose,
        user_id=str(user_id),
        expires_at__gt=timezone.now(),
    )


@STORE.asks
def _store(row: Challenge) -> None:
    expired = _rows().filter(expires_at__lte=timezone.now()).order_by("expires_at")
    if ids := list(expired.values_list("id", flat=True)[:PRUNE_ROWS]):
        _rows().filter(id__in=ids).delete()
    has_target = connections[STORE.alias()].features.supports_update_conflicts_with_target
    _rows().bulk_create(
        [row],
        update_conflicts=True,
        update_fields=["purpose", "user_id", "material", "expires_at"],
        unique_fields=["id"] if has_target else None,
    )


def _rows() -> QuerySet[Challenge]:
    return Challenge.objects.using(STORE.alias())


def _set_cookie(response: HttpResponse, secret: str) -> None:
    response.set_cookie(
        cookie_name(),
        secret,
        max_age=LIFETIME,
        domain=settings.SESSION_COOKIE_DOMAIN,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def _id_of(challenge: str, secret: str) -> str:
    return digest(f"{secret} {challenge}")


def _secret_of(request: HttpRequest) -> str | None:
    name = cookie_name()
    secret = request.COOKIES.get(name)
    # A subdomain may have planted the second one.
    if not is_session_key(secret) or twins(request.META.get("HTTP_COOKIE", ""), name):
        return None
    return secret
