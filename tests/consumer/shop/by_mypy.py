"""What mypy knows by the plugin of django-stubs, and other type checkers do not."""

from django.http import HttpRequest, JsonResponse

from session_auth.decorators import AuthenticatedHttpRequest, login_required
from session_auth.flows import require_login, require_recent_login
from shop.models import Customer


@login_required
def profile(request: AuthenticatedHttpRequest) -> JsonResponse:
    return JsonResponse({"card": request.user.card_number})


@login_required
def greeting(request: HttpRequest) -> JsonResponse:
    assert request.user.is_authenticated
    return JsonResponse({"card": request.user.card_number})


@login_required
def not_narrowed(request: HttpRequest) -> str:
    return request.user.card_number  # type: ignore[union-attr]  # no decorator changes the annotation


async def profile_async(request: AuthenticatedHttpRequest) -> str:
    user = await request.auser()
    return user.card_number


def customer(request: HttpRequest) -> Customer:
    if request.method == "GET":
        return require_login(request)
    return require_recent_login(request)
