"""Requests that pause where a test wants them to, and what a test can read of them."""

import asyncio
import logging
import time
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.signals import request_finished
from django.dispatch import receiver
from django.http import HttpRequest

from session_auth.signals import session_ended

logger = logging.getLogger("site")


class PauseMiddleware:
    """Wait before and after the view: so many seconds as the client says."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self.__acall__(request)
        say("began", request)
        time.sleep(pause(request, "Before"))
        response = self.get_response(request)
        say("answered", request)
        time.sleep(pause(request, "After"))
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        say("began", request)
        await asyncio.sleep(pause(request, "Before"))
        response = await self.get_response(request)
        say("answered", request)
        await asyncio.sleep(pause(request, "After"))
        return response


def pause(request: HttpRequest, when: str) -> float:
    return float(request.headers.get(f"X-Pause-{when}", 0))


def say(what: str, request: HttpRequest) -> None:
    logger.info("%s %s", what, request.headers.get("X-Name", "-"))


@receiver(session_ended)
def tell_end(*, session_id: str, reason: str, **kwargs: Any) -> None:
    logger.info("signal %s %s", reason, session_id)


@receiver(request_finished)
def tell_finish(**kwargs: Any) -> None:
    logger.info("finished")
