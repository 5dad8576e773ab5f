"""Passkeys: made, listed, named, removed; and a login by one alone."""

from collections.abc import Callable, Mapping

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.translation import gettext as _

from session_auth import attempts, flows
from session_auth.answers import json_response
from session_auth.client_info import client_info
from session_auth.exceptions import (
    InvalidCredentials,
    InvalidRequest,
    LoginExpired,
    NotFound,
    StageRequired,
    Throttled,
    UnknownPasskey,
)
from session_auth.factors import changes, passkeys, rows
from session_auth.factors.challenges import Purpose
from session_auth.factors.changes import Change
from session_auth.factors.models import NAME_CHARACTERS, Kind
from session_auth.factors.views import FactorView
from session_auth.http import JSONView, read_json
from session_auth.operations import (
    Caller,
    NewPasskeyAnswer,
    Operation,
    PasskeyName,
    PasskeyOptions,
    ProofAnswer,
    SignalsAnswer,
)
from session_auth.user_agents import known_name

NEW = {"credential": dict, "name": str}
NAME = {"name": str}
PURPOSE = {"purpose": str, "method": str}
LOGIN = {"credential": dict, "remember": bool}


def user_on_the_way(request: HttpRequest) -> AbstractBaseUser:
    """Return whose login lacks a stage in this browser, whoever else is logged in there."""
    return attempts.require(request).user


def known_user(request: HttpRequest) -> AbstractBaseUser:
    """Return who is logged in, or whose login lacks a stage in this browser."""
    return request.user if request.user.is_authenticated else user_on_the_way(request)


PURPOSES: Mapping[str, Callable[[HttpRequest], AbstractBaseUser | None]] = {
    Purpose.LOGIN.value: lambda request: None,
    Purpose.PROOF.value: known_user,
    "stage": user_on_the_way,
}
"""What a use of a passkey can be for, and whose it has to be."""

METHODS = {Kind.PASSKEY.value: Purpose.PROOF, rows.SECURITY_KEY: Purpose.SECURITY_KEY}
"""How a user who is known can answer, and what the challenge is for."""


class PasskeyOptionsView(FactorView):
    """``POST factors/passkeys/options/``: what ``navigator.credentials.create()`` needs."""

    operations: Mapping[str, Operation] = {
        "post": Operation(
            answer=PasskeyOptions, caller=Caller.RECENT, body={}, refusals=(NotFound, Throttled)
        )
    }

    def post(self, request: HttpRequest) -> JsonResponse:
        passkeys.require_origins()
        user = flows.require_recent_login(request, level=None)
        read_json(request, {})
        answer: PasskeyOptions = {"publicKey": passkeys.registration_options(request, user)}
        return json_response(answer)


class PasskeysView(FactorView):
    """``POST factors/passkeys/``: store the passkey that the browser has made."""

    operations: Mapping[str, Operation] = {
        "post": Operation(
            answer=NewPasskeyAnswer,
            status=201,
            caller=Caller.RECENT,
            body=NEW,
            limits={"name": {"maxLength": NAME_CHARACTERS}},
            required=("credential",),
            refusals=(NotFound,),
        )
    }

    def post(self, request: HttpRequest) -> JsonResponse:
        passkeys.require_origins()
        user = flows.require_recent_login(request, level=None)
        body = read_json(request, NEW)
        name = body.get("name", "").strip() or known_name(client_info(request.META).user_agent)
        factor = passkeys.registered(request, user, body.get("credential", {}), name=name)
        self.store(user, factor)
        return self.changed_response(user, {"passkey": rows.describe(factor)})


class PasskeyView(FactorView):
    """``PATCH factors/passkeys/ID/``: another name. ``DELETE``: remove it."""

    operations: Mapping[str, Operation] = {
        "patch": Operation(
            answer=PasskeyName,
            caller=Caller.RECENT,
            body=NAME,
            required=NAME,
            limits={"name": {"minLength": 1, "maxLength": NAME_CHARACTERS}},
            refusals=(NotFound,),
        ),
        "delete": Operation(
            answer=SignalsAnswer, caller=Caller.RECENT, body={}, refusals=(NotFound,)
        ),
    }
    http_method_names = ("patch", "delete", "options")

    def patch(self, request: HttpRequest, factor_id: str) -> JsonResponse:
        user = flows.require_recent_login(request, level=None)
        name = read_json(request, NAME).get("name", "").strip()
        passkeys.check_name(name)
        if not name:
            raise InvalidRequest(fields={"name": [_("This field is required.")]})
        with changes.announced(request, user, Change.RENAMED, kind=Kind.PASSKEY):
            if not rows.rename(user.pk, factor_id, name):
                raise NotFound(_("You have no passkey with this id."))
        answer: PasskeyName = {"name": name}
        return json_response(answer)

    def delete(self, request: HttpRequest, factor_id: str) -> JsonResponse:
        user = flows.require_recent_login(request, level=None)
        read_json(request, {})
        factor = rows.find(Kind.PASSKEY, factor_id, user_id=user.pk)
        if factor is None:
            raise NotFound
        with self.removing(user, Kind.PASSKEY, factor_id):
            answer: SignalsAnswer = {"signals": passkeys.signals(factor, rows.of_user(user.pk))}
        return json_response(answer)


class PasskeyUseView(JSONView):
    """``POST passkeys/options/``: what ``navigator.credentials.get()`` needs.

    With ``{"purpose": "stage"}``, it is for the login that this browser has begun; with
    ``"proof"``, for the user who is logged in, or else for that login. ``"method"`` may be
    ``"security_key"``. Without a purpose, it is for a login without a name.
    """

    login_required = False
    operations: Mapping[str, Operation] = {
        "post": Operation(
            answer=PasskeyOptions,
            caller=Caller.ANYBODY_KNOWN,
            body=PURPOSE,
            limits={"purpose": {"enum": [*PURPOSES]}, "method": {"enum": [*METHODS]}},
            refusals=(LoginExpired, NotFound, Throttled),
        )
    }

    def post(self, request: HttpRequest) -> JsonResponse:
        passkeys.require_origins()
        body = read_json(request, PURPOSE)
        purpose = body.get("purpose", Purpose.LOGIN)
        method = body.get("method", Kind.PASSKEY)
        if purpose not in PURPOSES:
            raise InvalidRequest(
                fields={"purpose": [_("This purpose is not known.")]},
                hint=f"The purpose must be one of {', '.join(PURPOSES)}.",
            )
        if method not in METHODS:
            raise InvalidRequest(
                fields={"method": [_("This method is not available.")]},
                hint=f"The method must be one of {', '.join(METHODS)}.",
            )
        user = PURPOSES[purpose](request)
        options = passkeys.request_options(request, user, purpose=METHODS[method])
        answer: PasskeyOptions = {"publicKey": options}
        return json_response(answer)


class PasskeyLoginView(JSONView):
    """``POST login/passkey/``: a session for a passkey alone, which is two factors by itself."""

    login_required = False
    operations: Mapping[str, Operation] = {
        "post": Operation(
            answer=ProofAnswer,
            body=LOGIN,
            required=("credential",),
            refusals=(
                *(InvalidCredentials, UnknownPasskey),
                *(NotFound, StageRequired, Throttled),
            ),
        )
    }

    def post(self, request: HttpRequest) -> HttpResponse:
        passkeys.require_origins()
        body = read_json(request, LOGIN)
        user = passkeys.user_to_log_in(request, body.get("credential", {}))
        flows.log_in(request, user, method=Kind.PASSKEY, remember=body.get("remember"))
        return self.user_response(user)


urlpatterns = [
    path("factors/passkeys/", PasskeysView.as_view(), name="passkeys"),
    path("factors/passkeys/options/", PasskeyOptionsView.as_view(), name="passkeys_options"),
    path("factors/passkeys/<str:factor_id>/", PasskeyView.as_view(), name="passkey"),
    path("login/passkey/", PasskeyLoginView.as_view(), name="passkey_login"),
    path("passkeys/options/", PasskeyUseView.as_view(), name="passkey_options"),
]
