"""django-allauth: its second factors and its verified e-mail, as stages of our login.

For ``SESSION_AUTH_STAGES``: see docs/stages.md. allauth's own views go on with its own stages.
This uses private modules of allauth, which has no public ones for it; the tests run against it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from allauth.account import app_settings
from allauth.account.internal.flows.email_verification import send_verification_email_for_user
from allauth.account.internal.flows.email_verification_by_code import EmailVerificationProcess
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import has_verified_email
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.cryptokit import compare_user_code
from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from session_auth import attempts, throttling
from session_auth.exceptions import InvalidCredentials, Throttled
from session_auth.stages import Method, Proof, Proves, Stage, level_of
from session_auth.stores import Boundary

AUTHENTICATORS = Boundary("authenticators", alias=lambda: DEFAULT_DB_ALIAS)

MAIL_AGAIN_SECONDS = 180
"""After how long allauth sends another code, as its rate limit has it unless it is changed."""


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=32, widget=forms.TextInput({"autocomplete": "one-time-code"}), label=_("Code")
    )


class CredentialForm(forms.Form):
    credential = forms.JSONField(widget=forms.HiddenInput)


class EmailForm(forms.Form):
    code = forms.CharField(max_length=32, required=False, label=_("Code from the mail"))


class SecondFactor(Stage):
    """The second factor of ``allauth.mfa``: TOTP, a recovery code, or WebAuthn.

    Due for those whom allauth asks, too, and not in a browser that allauth trusts. ``methods`` of
    the refusal are ``totp``, ``recovery_codes`` and ``webauthn``; for the last of them,
    ``request_options`` has what ``navigator.credentials.get()`` takes.
    """

    covers = ("allauth.mfa",)
    methods: ClassVar[Mapping[str, Method]] = {
        "webauthn": Method(
            form_class=CredentialForm, proves=Proves.POSSESSION, label=_("Security key")
        ),
        "totp": Method(form_class=CodeForm, proves=Proves.POSSESSION, label=_("Code of your app")),
        "recovery_codes": Method(
            form_class=CodeForm, proves=Proves.POSSESSION, label=_("Recovery code")
        ),
    }

    def is_due(self, user: AbstractBaseUser, request: HttpRequest) -> bool:
        """Say whether allauth would ask; in its own views, which ask themselves, this says no."""
        if is_of_allauth(request) or level_of(attempts.proven(request)) == 2:
            return False
        if {"totp", "webauthn"}.isdisjoint(self.offered(user, request)):
            return False
        is_trusted: bool = import_string("allauth.mfa.internal.flows.trust.is_trusted_browser")(
            request, user
        )
        return not is_trusted

    def offered(self, user: AbstractBaseUser, request: HttpRequest) -> Sequence[str]:
        kinds = {row.type for row in _authenticators(user)}
        return [name for name in self.methods if name in kinds]

    def details(self, user: AbstractBaseUser, request: HttpRequest) -> Mapping[str, Any]:
        if "webauthn" not in self.offered(user, request):
            return {}
        return {"request_options": _webauthn("begin_authentication")(user)}

    def verify(self, user: AbstractBaseUser, request: HttpRequest, proof: Proof) -> None:
        if proof.method == "webauthn":
            try:
                row = _webauthn("complete_authentication")(user, proof.data["credential"])
            except (ValidationError, ValueError, TypeError, KeyError) as exc:
                raise InvalidCredentials from exc
        else:
            guess = throttling.reserve(request, user, proof.data["code"], purpose=proof.method)
            row = None if guess.is_above_ceiling else _accepting(user, proof)
            if not guess.accept(row is not None) or row is None:
                raise InvalidCredentials
        row.record_usage()
        used = {"id": row.pk, "type": str(row.type)}
        if proof.attempt is None:
            record_authentication(request, user, "mfa", reauthenticated=True, **used)
        else:
            proof.attempt.notes["allauth.mfa"] = used

    def completed(
        self, user: AbstractBaseUser, request: HttpRequest, *, notes: Mapping[str, Any]
    ) -> None:
        """Let allauth know, for its own question for a fresh proof."""
        if "allauth.mfa" in notes:
            record_authentication(request, user, "mfa", **notes["allauth.mfa"])


class VerifiedEmail(Stage):
    """The verified e-mail of allauth, where ``ACCOUNT_EMAIL_VERIFICATION`` is ``"mandatory"``.

    allauth sends its mail. With a link in it, the method ``email`` needs no more than that the link
    was followed; with ``ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED``, it needs the ``code``.
    """

    code = "verified_email_required"
    message = _("Verify your e-mail address first: a mail is on its way.")
    covers = ("allauth.account",)
    methods: ClassVar[Mapping[str, Method]] = {
        "email": Method(form_class=EmailForm, label=_("Verify your e-mail address"))
    }

    def is_due(self, user: AbstractBaseUser, request: HttpRequest) -> bool:
        is_mandatory = (
            app_settings.EMAIL_VERIFICATION == app_settings.EmailVerificationMethod.MANDATORY
        )
        return is_mandatory and not is_of_allauth(request) and not has_verified_email(user)

    def details(self, user: AbstractBaseUser, request: HttpRequest) -> Mapping[str, Any]:
        """Send the mail, unless it was sent just now."""
        process = EmailVerificationProcess.resume(request)
        if process is None or process.user != user:
            try:
                send_verification_email_for_user(request, user)
            except ImmediateHttpResponse as exc:
                raise Throttled(retry_after=MAIL_AGAIN_SECONDS) from exc
        return {}

    def verify(self, user: AbstractBaseUser, request: HttpRequest, proof: Proof) -> None:
        """Take the code; that a link was followed is seen by ``is_due()`` already."""
        process = EmailVerificationProcess.resume(request)
        if process is None or process.user != user or not proof.data["code"]:
            raise InvalidCredentials(str(self.message))
        guess = throttling.reserve(request, user, proof.data["code"], purpose="email")
        is_right = compare_user_code(actual=proof.data["code"], expected=process.code)
        if not is_right:
            process.record_invalid_attempt()
        if not guess.accept(is_right) or process.finish() is None:
            raise InvalidCredentials


def is_of_allauth(request: HttpRequest) -> bool:
    """Say whether a view of allauth's is called, which runs allauth's own stages."""
    match = request.resolver_match
    view = getattr(match, "func", None)
    view = getattr(view, "view_class", view)
    return getattr(view, "__module__", "").partition(".")[0] == "allauth"


@AUTHENTICATORS.asks
@sensitive_variables("proof")
def _accepting(user: AbstractBaseUser, proof: Proof) -> Any:
    """Return the row of the user's that takes the code, which is used up by that, or ``None``.

    On SQLite, several at once are in each other's way: then this asks again.
    """
    row = _authenticators(user).filter(type=proof.method).first()
    return row if row is not None and row.wrap().validate_code(proof.data["code"]) else None


def _authenticators(user: AbstractBaseUser) -> Any:
    """Return the rows of the user's factors; their model is there with ``allauth.mfa`` alone."""
    rows = import_string("allauth.mfa.models.Authenticator").objects
    return rows.filter(user_id=user.pk)


def _webauthn(name: str) -> Any:
    """Return a function of allauth's that needs fido2, of its extra ``[mfa]``."""
    return import_string(f"allauth.mfa.webauthn.internal.auth.{name}")
