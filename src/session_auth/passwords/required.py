"""Users who must have a new password before they log in again (NIST SP 800-63B-4, 3.1.1.2).

``require_new_password()`` says so; the stage ``passwords.stages.NewPassword`` asks for it.
"""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils import timezone

from session_auth import events, throttling
from session_auth.attempts import ATTEMPTS
from session_auth.events import Event
from session_auth.models import RequiredPassword
from session_auth.sessions.listing import end_sessions
from session_auth.signals import EndReason
from session_auth.stages import stage_of

METHOD = "new_password"
"""The method of the stage."""


def is_asked_for() -> bool:
    """Say whether logins ask for new passwords: whether the stage is in the settings."""
    return stage_of(METHOD) is not None


def require_new_password(user: AbstractBaseUser, *, request: HttpRequest | None = None) -> None:
    """Let ``user`` log in no more before they have set a new password; all their sessions end.

    The old password still begins a login, which then asks for a new one. All their devices are
    unknown from then on. A link for a new password, or ``password/change/``, is as good; a password
    that staff set is not, nor is the old one again. ``request`` tells the log who requires it.

    Raises ``ImproperlyConfigured`` where nothing would ask: see ``is_asked_for()``.
    """
    if not is_asked_for():
        raise ImproperlyConfigured(
            "Nothing asks for a new password: put 'session_auth.passwords.stages.NewPassword' "
            "into SESSION_AUTH_STAGES, as the last one."
        )
    _add(user.pk)  # first: a login that has not seen it began before all sessions end
    end_sessions(user, reason=EndReason.ENDED_BY_ADMIN)
    throttling.throw_out_devices(user)
    by = events.caller_id(request) if request else None
    events.record(Event.NEW_PASSWORD_REQUIRED, request, user_id=user.pk, by=by)


@ATTEMPTS.asks
def is_required(user_id: Any) -> bool:
    """Say whether a user must have a new password. Where nothing asks for it, none is needed."""
    return is_asked_for() and _rows().filter(pk=str(user_id)).exists()


def lift(user_id: Any) -> None:
    """Let a user who has a new password log in with it."""
    _rows().filter(pk=str(user_id)).delete()


@ATTEMPTS.changes
def _add(user_id: Any) -> None:
    _rows().update_or_create(user_id=str(user_id), defaults={"required_at": timezone.now()})


def _rows() -> Any:
    return RequiredPassword.objects.using(ATTEMPTS.alias())
