"""What ASGI calls a connection, and what is read from the messages on it."""

from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[Any]]  # each framework has types of its own

EVENT_STREAM = b"text/event-stream"
HTTP = {"ws": "http", "wss": "https"}


def request_of(scope: Scope) -> HttpRequest:
    """Return the request by which a WebSocket is opened, or a stream; it has no body."""
    scheme = scope.get("scheme", "ws")
    return ASGIRequest({"method": "GET", **scope, "scheme": HTTP.get(scheme, scheme)}, BytesIO())


def is_last(message: Message) -> bool:
    """Say whether the client gets nothing after ``message``."""
    if message["type"] == "http.response.body":
        return not message.get("more_body", False)
    return bool(message["type"] == "websocket.close")


def header(message: Message, wanted: bytes) -> bytes:
    """Return a header of an answer; b"" without it."""
    headers = message.get("headers", ())
    return next((bytes(value) for name, value in headers if bytes(name).lower() == wanted), b"")


def is_event_stream(start: Message) -> bool:
    """Say whether the answer that begins with ``start`` is a stream of events."""
    return header(start, b"content-type").partition(b";")[0].strip().lower() == EVENT_STREAM


def messages_of(response: HttpResponse) -> list[Message]:
    """Return the messages that send ``response``."""
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.items()
    ]
    return [
        {"type": "http.response.start", "status": response.status_code, "headers": headers},
        {"type": "http.response.body", "body": response.content},
    ]
