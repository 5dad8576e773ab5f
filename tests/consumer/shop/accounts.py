"""Endpoints of the project: the package's own with other forms, and some from its parts."""

from collections.abc import Mapping
from typing import TypedDict

from django import forms
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse

from session_auth import csrf, throttling, views
from session_auth.exceptions import InvalidRequest, NotFound, SessionAuthError, Throttled
from session_auth.flows import (
    alog_in,
    alog_out,
    areauthenticate,
    log_in,
    log_out,
    reauthenticate,
    require_login,
)
from session_auth.http import (
    FormView,
    JSONView,
    error_response,
    json_response,
    no_content,
    read_json,
    refuses_with_json,
)
from session_auth.operations import Caller, Operation
from session_auth.passwords import (
    PasswordChangeForm,
    PasswordResetForm,
    change_password,
    post_links,
    require_new_password,
    reset_password,
    send_links,
    send_mail,
    send_notice,
    user_of_link,
)
from shop.models import Customer


class SignedUp(TypedDict):
    user: dict[str, str]


class CardForm(AuthenticationForm):
    card_number = forms.CharField(required=False)


class LoginView(views.LoginView):
    form_class = CardForm


queue: list[int] = []


class QueuedPasswordResetView(views.PasswordResetView):
    form_class = PasswordResetForm

    def deliver(self, mail_id: int) -> None:
        queue.append(mail_id)


class QueuedPasswordChangeView(views.PasswordChangeView):
    form_class = PasswordChangeForm

    def deliver(self, mail_id: int) -> None:
        queue.append(mail_id)


def work_the_queue() -> None:
    while queue:
        send_mail(queue.pop())


def invite(email: str) -> None:
    form = PasswordResetForm({"email": email})
    if form.is_valid():
        post_links(form, queue.append)


def invite_now(customer: Customer) -> None:
    send_links(PasswordResetForm({"email": customer.email}))
    send_notice(customer.pk, ip="", user_agent="")


def found_in_a_leak(customer: Customer) -> None:
    require_new_password(customer)


class ClosingForm(forms.Form):
    reason = forms.CharField(max_length=200)


class ClosingView(FormView):
    form_class = ClosingForm

    def form_valid(self, form: ClosingForm) -> HttpResponse:
        return json_response({"noted": form.cleaned_data["reason"]})


class SignUpView(JSONView):
    operations: Mapping[str, Operation] = {
        "post": Operation(
            answer=SignedUp,
            status=201,
            body={"username": str, "password": str, "remember": bool},
            required=("username", "password"),
            refusals=(Throttled,),
        ),
        "delete": Operation(caller=Caller.USER, body={"password": str}),
    }

    def post(self, request: HttpRequest) -> JsonResponse:
        throttling.limit_requests(request, purpose="sign_up")
        body = read_json(request, {"username": str, "password": str, "remember": bool})
        customer = Customer.objects.create_user(body["username"], password=body["password"])
        log_in(request, customer, remember=body.get("remember"), method="sign_up")
        return json_response({"user": views.describe_user(customer)}, status=201)

    def delete(self, request: HttpRequest) -> HttpResponse:
        customer: Customer = Customer.objects.get(pk=require_login(request).pk)
        reauthenticate(request, password=read_json(request, {"password": str})["password"])
        log_out(request)
        customer.delete()
        return no_content()


@refuses_with_json
def change_card(request: HttpRequest) -> HttpResponse:
    try:
        csrf.verify(request)
    except SessionAuthError as error:
        return error_response(error)
    return no_content()


async def sign_in_by_passkey(request: HttpRequest) -> HttpResponse:
    customer = await Customer.objects.aget(pk=1)
    await alog_in(request, customer, method="passkey")
    await areauthenticate(request, password="")
    await alog_out(request)
    return HttpResponse()


def new_password(request: HttpRequest, form: PasswordChangeForm) -> None:
    if not form.is_valid():
        raise InvalidRequest(fields=form.errors)
    change_password(request, form, deliver=queue.append)


def new_password_by_link(uid: str, token: str, password: str) -> None:
    customer = user_of_link(uid, token, token_generator=default_token_generator)
    if customer is None:
        raise NotFound
    form = SetPasswordForm(customer, {"new_password1": password, "new_password2": password})
    if not form.is_valid():
        raise BadRequest
    reset_password(form)
    throttling.forget(customer)
    throttling.throw_out_devices(customer)


def unlock(names: list[str]) -> list[str]:
    return [name for name in names if throttling.unlock(name)]


def is_right(request: HttpRequest, name: str, password: str) -> bool:
    try:
        guess: throttling.Guess = throttling.reserve(request, name, password)
    except Throttled:
        return False
    return guess.accept(guess.user is not None and guess.user.check_password(password))
