import os
from typing import Any

from django.core.asgi import get_asgi_application

django = get_asgi_application()

from session_auth.asgi import LiveSessions  # noqa: E402  # it needs the apps
from session_auth.sessions import watching  # noqa: E402  # likewise

watching.LOOK_SECONDS = float(os.environ.get("SITE_LOOK_SECONDS", watching.LOOK_SECONDS))


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Say who is there, and repeat what is said."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": scope["user"].get_username()})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def router(scope: Any, receive: Any, send: Any) -> None:
    await (echo if scope["type"] == "websocket" else django)(scope, receive, send)


application = LiveSessions(router)
