"""The views of a project: what it takes to see the package at work."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_required as html_login_required
from django.contrib.auth.models import User
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils.decorators import method_decorator
from django.views import View

from session_auth.decorators import (
    LoginRequiredMixin,
    login_required,
    passive,
    recent_login_required,
)
from session_auth.exceptions import InvalidRequest
from session_auth.flows import alog_in, alog_out, areauthenticate, log_in, log_out, reauthenticate
from session_auth.http import read_json
from session_auth.sessions import (
    aend_session,
    aend_sessions,
    alist_sessions,
    end_session,
    end_sessions,
    list_sessions,
)
from session_auth.sessions.base import session_of
from tests.storing import SessionStore


def note(request: HttpRequest) -> JsonResponse:
    """Write ``?key=value`` into the session, and return what it holds."""
    for key, value in request.GET.items():
        request.session[key] = value
    return JsonResponse(dict(request.session.items()))


def set_password(request: HttpRequest) -> HttpResponse:
    """Give ``?name=`` the ``?password=``, without a look at the session."""
    user = User.objects.get(username=request.GET["name"])
    user.set_password(request.GET["password"])
    user.save()
    return HttpResponse()


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Send an event, and then nothing for long; ``?type=`` is the type, or the encoding."""

    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        try:
            await asyncio.sleep(60)
        finally:
            streams.append("stopped")

    response = StreamingHttpResponse(events())
    response.headers["Content-Type"] = request.GET.get("type", "text/event-stream; charset=utf-8")
    if "encoding" in request.GET:
        response.headers["Content-Encoding"] = request.GET["encoding"]
    return response


streams: list[str] = []
"""What has become of the streams."""


def only_here(request: HttpRequest) -> HttpResponse:
    """End all sessions of alice and log her in, if the ``?password=`` is right."""
    user = authenticate(request, username="alice", password=request.GET["password"])
    assert user is not None
    end_sessions(user)
    login(request, user)
    return HttpResponse()


def untouched(request: HttpRequest) -> HttpResponse:
    return HttpResponse("The session was not looked at.")


async def untouched_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse("The session was not looked at.")


def clear(request: HttpRequest) -> HttpResponse:
    request.session.clear()
    return HttpResponse()


def flush(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return HttpResponse()


def logout_and_fail(request: HttpRequest) -> HttpResponse:
    logout(request)
    raise RuntimeError("The view fails after the logout.")


def renew_and_fail(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    raise RuntimeError("The view fails after the session got a new key.")


def renew_and_save(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    request.session["renewed"] = True
    return JsonResponse({})


def guess_and_fail(request: HttpRequest) -> HttpResponse:
    authenticate(
        request, username=request.GET.get("name", "alice"), password=request.GET["password"]
    )
    raise RuntimeError("The view fails after the guess.")


def guess_and_roll_back(request: HttpRequest) -> HttpResponse:
    authenticate(request, username="alice", password=request.GET["password"])
    transaction.set_rollback(True)
    return HttpResponse(status=401)


def ended_meanwhile(request: HttpRequest) -> HttpResponse:
    """Write into a session that another request ends before this one answers."""
    request.session["late"] = True
    SessionStore(request.session.session_key).delete()
    return HttpResponse()


def rotated_too_late(request: HttpRequest) -> HttpResponse:
    """Renew the key of a session that another request has just ended."""
    session: Any = request.session
    session.keys()
    SessionStore(session.session_key).delete()
    return HttpResponse(session.cycle_key())


def broken(request: HttpRequest) -> HttpResponse:
    request.session["broken"] = True
    return HttpResponse(status=500)


def refused(request: HttpRequest) -> HttpResponse:
    raise InvalidRequest(fields={"title": ["Too short."]})


def saved_too_late(request: HttpRequest) -> HttpResponse:
    """Save, in the view, a session that another request has just ended."""
    session: Any = request.session
    session["late"] = True
    SessionStore(session.session_key).delete()
    return HttpResponse(session.save())


def interrupted(request: HttpRequest) -> HttpResponse:
    raise SessionInterrupted


def echo(request: HttpRequest) -> JsonResponse:
    """Return the body as ``read_json`` sees it."""
    fields = {"text": str, "flag": bool, "count": int, "ratio": float, "names": list}
    return JsonResponse(read_json(request, fields))


@login_required
def private(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"username": request.user.get_username()})


@login_required
async def private_async(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"username": (await request.auser()).get_username()})


async def user_or_nobody_async(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"is_authenticated": (await request.auser()).is_authenticated})


class Private(LoginRequiredMixin, View):
    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"username": request.user.get_username()})


class PrivateAsync(LoginRequiredMixin, View):
    async def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"username": (await request.auser()).get_username()})


@method_decorator(login_required, name="dispatch")
class PrivateDecorated(View):
    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"username": request.user.get_username()})


class PrivateHandler(View):
    @method_decorator(login_required)
    async def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"username": (await request.auser()).get_username()})


@html_login_required
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<p>{request.user.get_username()}</p>")


def both_users(request: HttpRequest) -> JsonResponse:
    """Ask for the user in both ways."""
    name = request.user.get_username()
    user = async_to_sync(request.auser)()
    return JsonResponse({"same": name == user.get_username()})


@passive
@login_required
def passive_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@passive
@login_required
async def passive_async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@recent_login_required
def recent(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@recent_login_required
async def recent_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@method_decorator(recent_login_required, name="dispatch")
class Recent(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


class RecentAsync(View):
    @method_decorator(recent_login_required)
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


@recent_login_required(max_age=timedelta(minutes=5))
def recent_5(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


# The same steps twice: what a project writes for WSGI, and for ASGI.


def steps(request: HttpRequest) -> JsonResponse:
    """Log ``?name=`` in, prove the password, end all of their other sessions, and log out."""
    user = User.objects.get_by_natural_key(request.GET["name"])
    log_in(request, user, remember=False, method="link")
    request.session.save()
    reauthenticate(request, password=request.GET["password"])
    listed = list_sessions(user)
    seen = [request.user.get_username(), sorted(listed[0].methods), len(listed)]
    current = session_of(request).info
    others = [each.id for each in listed if current and each.id != current.id]
    seen += [end_session(user, others[0]), end_session(user, others[0])]
    seen += [end_sessions(user, but=current.id if current else None), len(list_sessions(user))]
    log_out(request)
    return JsonResponse({"seen": [*seen, request.user.is_authenticated]})


async def steps_async(request: HttpRequest) -> JsonResponse:
    user = await User.objects.aget(username=request.GET["name"])
    await alog_in(request, user, remember=False, method="link")
    await request.session.asave()
    await areauthenticate(request, password=request.GET["password"])
    listed = await alist_sessions(user)
    name = (await request.auser()).get_username()
    seen = [name, sorted(listed[0].methods), len(listed)]
    current = session_of(request).info
    others = [each.id for each in listed if current and each.id != current.id]
    seen += [await aend_session(user, others[0]), await aend_session(user, others[0])]
    seen += [
        await aend_sessions(user, but=current.id if current else None),
        len(await alist_sessions(user)),
    ]
    await alog_out(request)
    return JsonResponse({"seen": [*seen, (await request.auser()).is_authenticated]})
