"""Channels: the list of sessions shows the address and the user agent of those opened by consumers.

See docs/compatibility.md.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from session_auth.client_info import meta_of_scope

__all__ = ["ClientInfoMiddleware"]


class ClientInfoMiddleware:
    """Tells the session of a connection who is calling, as ``SessionMiddleware`` does for requests.

    Put it inside ``AuthMiddlewareStack`` or ``SessionMiddlewareStack``, around your routes.
    """

    def __init__(self, inner: Callable[..., Awaitable[Any]]) -> None:
        self.inner = inner

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> Any:
        scope["session"].meta = meta_of_scope(scope)
        return await self.inner(scope, receive, send)
