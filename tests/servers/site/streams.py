"""An event stream of Django's."""

import asyncio
from collections.abc import AsyncIterator

from django.db import transaction
from django.http import HttpRequest, StreamingHttpResponse

from session_auth.decorators import login_required


async def ticks() -> AsyncIterator[str]:
    while True:
        yield "data: tick\n\n"
        await asyncio.sleep(0.1)


@transaction.non_atomic_requests
@login_required
async def stream(request: HttpRequest) -> StreamingHttpResponse:
    response = StreamingHttpResponse(ticks(), content_type="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response
