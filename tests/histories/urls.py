"""The site of the histories: our endpoints, and two views that keep values in the session."""

from django.http import HttpRequest, JsonResponse
from django.urls import include, path


def values(request: HttpRequest) -> JsonResponse:
    """Write ``?name=value`` into the session of a user, and return what it holds."""
    if not request.user.is_authenticated:
        return JsonResponse({"user": None}, status=401)
    for name, value in request.GET.dict().items():
        request.session[name] = int(value)
    return _answer(request.user.get_username(), dict(request.session.items()))


async def async_values(request: HttpRequest) -> JsonResponse:
    user = await request.auser()
    if not user.is_authenticated:
        return JsonResponse({"user": None}, status=401)
    for name, value in request.GET.dict().items():
        await request.session.aset(name, int(value))
    return _answer(user.get_username(), dict(await request.session.aitems()))


def _answer(username: str, data: dict[str, object]) -> JsonResponse:
    return JsonResponse(
        {
            "user": {"username": username},
            "data": {name: value for name, value in data.items() if name[0] != "_"},
        }
    )


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/values/", values),
    path("api/async-values/", async_values),
]
