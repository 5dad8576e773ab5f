"""A stage of the project's: a code that it sends by other means, and views around it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, JsonResponse

from session_auth.attempts import Attempt, find, on_answer, proven, require
from session_auth.decorators import past_stages
from session_auth.exceptions import InvalidCredentials, LoginExpired, StageRequired
from session_auth.flows import (
    apass_stage,
    aprove,
    areauthenticate_by,
    pass_stage,
    prove,
    reauthenticate_by,
)
from session_auth.sessions import SessionInfo, assurance
from session_auth.stages import Method, Proof, Proves, Stage, Unfinished


class CodeForm(forms.Form):
    code = forms.CharField(max_length=6)


class LetterStage(Stage):
    methods: ClassVar[Mapping[str, Method]] = {
        "letter": Method(form_class=CodeForm, proves=Proves.POSSESSION)
    }

    def is_due(self, user: AbstractBaseUser, request: HttpRequest) -> bool:
        return "passkey" not in proven(request)

    def verify(self, user: AbstractBaseUser, request: HttpRequest, proof: Proof) -> None:
        if proof.data["code"] != "123456":
            raise InvalidCredentials
        attempt: Unfinished | None = proof.attempt
        if attempt is not None:
            attempt.notes["letter"] = True

    def completed(
        self, user: AbstractBaseUser, request: HttpRequest, *, notes: Mapping[str, Any]
    ) -> None:
        def thank(response: HttpResponse) -> None:
            response.headers["X-Thanks"] = "for the code"

        if "letter" in notes:
            on_answer(request, thank)


def how_long(request: HttpRequest) -> JsonResponse:
    attempt: Attempt | None = find(request)
    return JsonResponse({"until": attempt and attempt.expires_at})


def go_on(request: HttpRequest, code: str) -> HttpResponse:
    try:
        user = pass_stage(request, method="letter", data={"code": code})
    except LoginExpired:
        return HttpResponse("Begin anew.")
    except StageRequired as error:
        return JsonResponse({"next": error.methods})
    return HttpResponse(user.get_username())


async def go_on_async(request: HttpRequest, code: str) -> HttpResponse:
    require(request)
    user = await apass_stage(request, method="letter", data={"code": code})
    return HttpResponse(user.get_username())


def confirm(request: HttpRequest, code: str) -> HttpResponse:
    reauthenticate_by(request, method="letter", data={"code": code})
    prove(request, method="saml")
    return HttpResponse()


async def confirm_async(request: HttpRequest, code: str) -> HttpResponse:
    await areauthenticate_by(request, method="letter", data={"code": code})
    await aprove(request, method="saml")
    return HttpResponse()


@past_stages
def become(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def is_sure(session: SessionInfo) -> bool:
    return assurance(session) == 2
