"""The stages of a project: a PIN, a key that is two factors, terms, and a hook that refuses."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from session_auth import attempts, throttling
from session_auth.exceptions import InvalidCredentials, PermissionDenied
from session_auth.stages import Method, Proof, Proves, Stage, level_of
from tests.api_client import AUTH, ApiClient

NEXT = AUTH + "login/second-factor/"
COOKIE = "sessionid_login"
PIN = "2468"
EXPIRED = {"error": "This login cannot go on. Log in again.", "code": "login_expired"}
"""The answer to who goes on with no login."""

KEY = {"signature": ["good", {"for": "alice"}]}


class PinForm(forms.Form):
    code = forms.CharField(max_length=10)
    trust = forms.BooleanField(required=False)


class KeyForm(forms.Form):
    credential = forms.JSONField()


class TermsForm(forms.Form):
    accept = forms.BooleanField()


class SecondFactor(Stage):
    """Users have a PIN if their first name says so, and a key if their last name does."""

    methods: ClassVar[Mapping[str, Method]] = {
        "pin": Method(form_class=PinForm, proves=Proves.POSSESSION, label="Your PIN"),
        "key": Method(form_class=KeyForm, proves=Proves.BOTH, label="Your key"),
    }

    def is_due(self, user: Any, request: HttpRequest) -> bool:
        is_enough = level_of(attempts.proven(request)) == 2
        return bool(self.offered(user, request)) and not is_enough

    def offered(self, user: Any, request: HttpRequest) -> Sequence[str]:
        return [name for name in self.methods if name in (user.first_name, user.last_name)]

    def details(self, user: Any, request: HttpRequest) -> Mapping[str, Any]:
        return {"digits": len(PIN)}

    def verify(self, user: Any, request: HttpRequest, proof: Proof) -> None:
        if proof.method == "key":
            if proof.data["credential"] != KEY:
                raise InvalidCredentials
            return
        guess = throttling.reserve(request, user, proof.data["code"], purpose="pin")
        if not guess.accept(proof.data["code"] == PIN):
            raise InvalidCredentials
        if proof.attempt is not None:
            proof.attempt.notes["trust"] = proof.data["trust"]

    def completed(self, user: Any, request: HttpRequest, *, notes: Mapping[str, Any]) -> None:
        def set_cookie(response: HttpResponse) -> None:
            response.set_cookie("trusted", f"by {user.username}")

        if notes.get("trust"):
            attempts.on_answer(request, set_cookie)


class Terms(Stage):
    code = "terms_required"
    message = "Accept the terms first."
    methods: ClassVar[Mapping[str, Method]] = {"terms": Method(form_class=TermsForm)}

    def is_due(self, user: Any, request: HttpRequest) -> bool:
        return "unread" in user.email

    def verify(self, user: Any, request: HttpRequest, proof: Proof) -> None:
        """The form has seen to it."""


class NobodyAtNight(Stage):
    """Sees each login, and refuses some."""

    def is_due(self, user: Any, request: HttpRequest) -> bool:
        if request.META.get("HTTP_X_HOUR") == "3":
            raise PermissionDenied("Nobody works at night.")
        return False


class OwnBackend(BaseBackend):
    def authenticate(
        self, request: Any, username: str = "", password: str = "", **more: Any
    ) -> Any:
        user = User.objects.get(username=username)
        return user if user.check_password(password) else None

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id).first()


def pin(browser: ApiClient, code: str = PIN, **more: object) -> Any:
    return browser.call("POST", NEXT, {"method": "pin", "code": code, **more})
