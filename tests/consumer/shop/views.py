"""Views behind the doors: what they know of the user."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.generic import TemplateView

from session_auth import throttling
from session_auth.decorators import (
    AuthenticatedHttpRequest,
    LoginRequiredMixin,
    cross_site_login,
    login_required,
    passive,
    recent_login_required,
)
from session_auth.exceptions import InvalidCredentials
from session_auth.flows import require_login, require_recent_login
from session_auth.sessions import alist_sessions, end_sessions, list_sessions
from shop.models import Customer


@login_required
def profile(request: AuthenticatedHttpRequest[Customer]) -> JsonResponse:
    """The user model of the project is named: all type checkers know it."""
    sessions = list_sessions(request.user)
    return JsonResponse({"card": request.user.card_number, "sessions": len(sessions)})


@login_required
async def profile_async(request: AuthenticatedHttpRequest[Customer], pk: int) -> JsonResponse:
    user = await request.auser()
    return JsonResponse({"card": user.card_number, "n": len(await alist_sessions(user)), "pk": pk})


@login_required
def greeting(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, Customer)
    return HttpResponse(f"{request.user.email} {request.user.card_number}")


@login_required
def sign_out_elsewhere(request: HttpRequest) -> HttpResponse:
    """A plain request: the package takes ``request.user``, also if it may be anonymous."""
    return HttpResponse(str(end_sessions(request.user)))


@recent_login_required
def confirm(request: AuthenticatedHttpRequest[Customer], password: str) -> HttpResponse:
    guess = throttling.reserve(request, request.user, password)
    if not guess.accept(request.user.check_password(password)):
        raise InvalidCredentials
    return HttpResponse(request.user.email)


@recent_login_required(max_age=timedelta(minutes=5))
async def transfer(request: AuthenticatedHttpRequest[Customer], *, amount: int) -> HttpResponse:
    return HttpResponse(f"{amount} to {request.user.card_number}")


@cross_site_login
def signed_in_elsewhere(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


@passive
async def unread(request: HttpRequest) -> HttpResponse:
    return HttpResponse("0")


class Orders(LoginRequiredMixin, View):
    def get(self, request: AuthenticatedHttpRequest[Customer]) -> HttpResponse:
        return HttpResponse(request.user.card_number)

    @method_decorator(recent_login_required(max_age=timedelta(minutes=1)))
    def delete(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(require_recent_login(request, max_age=timedelta(hours=1)).password)


class Basket(LoginRequiredMixin, TemplateView):
    template_name = "basket.html"

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        return self.render_to_response({"name": require_login(request).get_username()})
