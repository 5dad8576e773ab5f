"""Which stage of a login is due, and how the login is held until it is passed: for ``flows``."""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from session_auth import attempts, events, exceptions, throttling
from session_auth.attempts import Attempt
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import InvalidRequest, SessionAuthError, StageRequired
from session_auth.sessions.values import Login
from session_auth.stages import Proof, Stage, get_stages, key_of

NOT_OFFERED = _("This method is not offered.")


def on_the_way(request: HttpRequest) -> tuple[Attempt, Stage | None]:
    """Return the login that this browser has begun, and its next stage; or raise ``LoginExpired``.

    The stage is ``None`` if none is due any more.
    """
    attempt = attempts.require(request)
    request.META[attempts.PROVEN] = attempt.proven
    return attempt, first_due(request, attempt.user, passed=attempt.passed)


def first_due(
    request: HttpRequest, user: AbstractBaseUser, *, passed: Collection[str]
) -> Stage | None:
    """Return the first stage that is due, if any. One that refuses the login is logged."""
    for stage in get_stages():
        if key_of(stage) in passed:
            continue
        try:
            is_due = stage.is_due(user, request)
        except (SessionAuthError, PermissionDenied) as error:
            code = getattr(error, "code", exceptions.PermissionDenied.code)
            fields = {"user_id": user.pk, "stage": key_of(stage), "code": code}
            events.record(Event.LOGIN_REFUSED, request, **fields)
            raise
        if is_due:
            return stage
    return None


def hold_if_due(request: HttpRequest, user: AbstractBaseUser, login: Login) -> None:
    """Hold the login and raise ``StageRequired`` if a stage is due."""
    request.META[attempts.PROVEN] = login.proofs
    stage = first_due(request, user, passed=())
    if stage is None:
        return
    attempt = attempts.begin(
        request,
        user,
        backend=_path_of_backend(user, login.backend),
        proven=login.proofs,
        remember=login.remember,
        began_at=login.began_at,
        notes={**throttling.noted(request, user), **attempts.noted(request)},
    )
    raise refusal(request, stage, attempt)


def hold_other_login(request: HttpRequest, user: AbstractBaseUser, began_at: datetime) -> None:
    """Hold a login that does not come by ``log_in()`` if a stage is due.

    Two kinds of logins pass: those that come from no view, such as that of
    ``RemoteUserMiddleware``, and those of a view that is marked ``past_stages``.
    """
    match = request.resolver_match
    if not get_conf().STAGES or match is None or getattr(match.func, "is_past_stages", False):
        return
    backend = request.session[auth.BACKEND_SESSION_KEY]
    login = Login(proofs={backend: began_at}, began_at=began_at, backend=backend)
    hold_if_due(request, user, login)


def verify(request: HttpRequest, user: AbstractBaseUser, stage: Stage, proof: Proof) -> None:
    """Let ``stage`` check a proof. A refusal is logged, whatever it is."""
    if proof.method not in stage.offered(user, request):
        raise InvalidRequest(fields={"method": [NOT_OFFERED]})
    try:
        stage.verify(user, request, proof)
    except StageRequired:
        raise  # it asks again: a code is on its way, say
    except SessionAuthError as error:
        fields = {"stage": key_of(stage), "proof": proof.method, "code": error.code}
        events.record(Event.STAGE_FAILED, request, user_id=user.pk, **fields)
        raise


def refusal(request: HttpRequest, stage: Stage, attempt: Attempt) -> StageRequired:
    """Return the refusal that tells the client what is due."""
    events.record(Event.STAGE_REQUIRED, request, user_id=attempt.user.pk, stage=key_of(stage))
    return StageRequired(
        str(stage.message),
        code=stage.code,
        methods=stage.offered(attempt.user, request),
        expires_at=attempt.expires_at,
        details=stage.details(attempt.user, request),
    )


def _path_of_backend(user: AbstractBaseUser, backend: str | None) -> str:
    """Return the path that Django's ``login()`` would take."""
    path = backend or getattr(user, "backend", None)
    if path is None and len(settings.AUTHENTICATION_BACKENDS) > 1:
        raise ValueError(
            "There are several AUTHENTICATION_BACKENDS: say by backend='...' which of them is to "
            "know the user."
        )
    return str(path or settings.AUTHENTICATION_BACKENDS[0])
