"""The stages of a login that the factors make: put their paths into ``SESSION_AUTH_STAGES``."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.forms.widgets import Script
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from session_auth import attempts
from session_auth.factors import changes, proofs, rows, trust
from session_auth.factors.models import Factor, Kind
from session_auth.stages import Method, Proof, Proves, Stage, level_of

__all__ = ["SecondFactor"]

LONGEST_CODE = 64
NOTES = "session_auth.factors"
"""The key of what the stage keeps with a login that is not complete."""

STRONG = "session_auth.factors"
"""The key of ``request.META`` for what ``strong_of()`` has found."""


def strong_of(user: AbstractBaseUser, request: HttpRequest) -> list[Factor]:
    """Return the passkeys and the app of ``user``, as they were when the request first asked.

    All stages go by one answer: else a factor that is set up just then could be too late for
    ``SecondFactor`` to ask for it, and in time for ``SetUpFactor`` to ask for none.
    """
    known: dict[str, list[Factor]] = request.META.setdefault(STRONG, {})
    key = str(user.pk)
    if key not in known:
        known[key] = rows.strong(rows.of_user(user.pk))
    return known[key]


class CodeForm(forms.Form):
    """A code of an authenticator app."""

    code = forms.CharField(
        max_length=LONGEST_CODE,
        label=_("Code"),
        widget=forms.TextInput({"autocomplete": "one-time-code"}),
    )
    trust = forms.BooleanField(required=False, label=_("Do not ask again in this browser"))


class RecoveryForm(forms.Form):
    """A recovery code. Who has lost their phone is not to trust a browser by it."""

    code = forms.CharField(
        max_length=LONGEST_CODE,
        label=_("Code"),
        widget=forms.TextInput({"autocomplete": "one-time-code"}),
    )


class CredentialForm(forms.Form):
    """What the browser says of a passkey; on the page for the admin, a script asks for it."""

    credential = forms.JSONField(label=_("passkey"))

    class Media:
        js: ClassVar[list[Script]] = [Script("session_auth/second-factor.js", type="module")]


class PasskeyForm(CredentialForm):
    """What a passkey has answered."""

    trust = forms.BooleanField(required=False, label=_("Do not ask again in this browser"))


class SecondFactor(Stage):
    """Ask users who have a passkey or an authenticator app for it, after the password.

    Not in a browser that they trust, and not after a login by a passkey, which is two factors.
    """

    covers: ClassVar[Collection[str]] = ("session_auth.factors",)
    methods: ClassVar[Mapping[str, Method]] = MappingProxyType(
        {
            Kind.PASSKEY.value: Method(
                form_class=PasskeyForm, proves=Proves.BOTH, label=Kind.PASSKEY.label
            ),
            rows.SECURITY_KEY: Method(
                form_class=PasskeyForm, proves=Proves.POSSESSION, label=_("security key")
            ),
            Kind.TOTP.value: Method(
                form_class=CodeForm, proves=Proves.POSSESSION, label=Kind.TOTP.label
            ),
            Kind.RECOVERY.value: Method(
                form_class=RecoveryForm, proves=Proves.POSSESSION, label=Kind.RECOVERY.label
            ),
        }
    )

    def is_due(self, user: AbstractBaseUser, request: HttpRequest) -> bool:
        if level_of(attempts.proven(request)) == 2:
            return False
        strong = strong_of(user, request)
        return bool(strong) and not trust.is_trusted(request, user, strong)

    def offered(self, user: AbstractBaseUser, request: HttpRequest) -> Sequence[str]:
        return rows.methods_of(rows.of_user(user.pk))

    def verify(self, user: AbstractBaseUser, request: HttpRequest, proof: Proof) -> None:
        proofs.check(request, user, method=proof.method, answer=proof.data)
        if proof.attempt is not None:
            proof.attempt.notes[NOTES] = {"trust": bool(proof.data.get("trust"))}

    def completed(
        self, user: AbstractBaseUser, request: HttpRequest, *, notes: Mapping[str, Any]
    ) -> None:
        changes.watch_on(request, user.pk, notes)
        if notes.get(NOTES, {}).get("trust"):
            strong = rows.strong(rows.of_user(user.pk))
            attempts.on_answer(
                request, lambda response: trust.trust(request, response, user, strong)
            )
