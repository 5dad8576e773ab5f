"""The stage for users who must have a second factor and have set up none."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from session_auth import attempts
from session_auth.conf import get_conf
from session_auth.exceptions import InvalidCredentials, NotFound, SessionAuthError
from session_auth.factors import authenticator_app, changes, passkeys, proofs, rows
from session_auth.factors.changes import Change
from session_auth.factors.models import NAME_CHARACTERS, Kind
from session_auth.factors.stages import LONGEST_CODE, CredentialForm, strong_of
from session_auth.stages import Method, Proof, Proves, Stage

__all__ = ["SetUpFactor"]


class FirstCodeForm(forms.Form):
    """The first code of an authenticator app."""

    code = forms.CharField(
        max_length=LONGEST_CODE,
        label=_("Code"),
        widget=forms.TextInput({"autocomplete": "one-time-code"}),
    )


class NewPasskeyForm(CredentialForm):
    """A passkey that the browser has just made."""

    name = forms.CharField(required=False, max_length=NAME_CHARACTERS, label=_("Name"))


class SetUpFactor(Stage):
    """Let nobody in who must have a second factor, before they have set one up.

    ``SESSION_AUTH_REQUIRE_FACTOR`` is the path of a function of the user. It returns ``None``, or
    the time from which on they need one. Until then they may log in without, and ``GET user/`` says
    when that ends. The password has just been proven, and there is nothing else that could be.
    """

    code: ClassVar[str] = "factor_setup_required"
    message: ClassVar[str | Promise] = _("Set up a second way to prove that it is you.")
    refusals: ClassVar[Collection[type[SessionAuthError]]] = (NotFound,)
    methods: ClassVar[Mapping[str, Method]] = MappingProxyType(
        {
            "passkey_setup": Method(
                form_class=NewPasskeyForm, proves=Proves.BOTH, label=_("New passkey")
            ),
            "totp_setup": Method(
                form_class=FirstCodeForm, proves=Proves.POSSESSION, label=_("New authenticator app")
            ),
        }
    )

    def is_due(self, user: AbstractBaseUser, request: HttpRequest) -> bool:
        at = _required_from(user)
        return at is not None and at <= timezone.now() and not strong_of(user, request)

    def due_from(self, user: AbstractBaseUser) -> datetime | None:
        at = _required_from(user)
        return None if at is None or rows.strong(rows.of_user(user.pk)) else at

    def offered(self, user: AbstractBaseUser, request: HttpRequest) -> Sequence[str]:
        if not attempts.proven(request) or rows.strong(rows.of_user(user.pk)):
            return ()  # who is logged in already sets it up with the others
        kind_of = {"passkey_setup": Kind.PASSKEY, "totp_setup": Kind.TOTP}
        return [method for method in self.methods if kind_of[method] in proofs.available()]

    def details(self, user: AbstractBaseUser, request: HttpRequest) -> Mapping[str, Any]:
        """Return what the browser needs to make a passkey, and what an app needs."""
        offered = self.offered(user, request)
        found: dict[str, Any] = {}
        if "passkey_setup" in offered:
            found["publicKey"] = passkeys.registration_options(request, user)
        if "totp_setup" in offered:
            found["totp"] = authenticator_app.begin(request, user, go_on=True)
        return found

    def verify(self, user: AbstractBaseUser, request: HttpRequest, proof: Proof) -> None:
        if proof.method == "totp_setup":
            factor = authenticator_app.confirmed(request, user, proof.data["code"])
        else:
            name = proof.data["name"] or str(Kind.PASSKEY.label)
            factor = passkeys.registered(request, user, proof.data["credential"], name=name)
        if factor is None or proof.attempt is None:
            raise InvalidCredentials
        kind = Kind(factor.kind)
        with changes.announced(request, user, Change.ADDED, kind=kind, at_login=True):
            if rows.strong(rows.of_user(user.pk)):  # another browser was faster
                raise InvalidCredentials
            factor.save(using=rows.STORE.alias(), force_insert=True)
        changes.watch(request, changes.Proven.of(factor))


def _required_from(user: AbstractBaseUser) -> datetime | None:
    path = get_conf().REQUIRE_FACTOR
    at: datetime | None = import_string(path)(user) if path else None
    return at
