"""Under ASGI, a client that hangs up cancels its request, at the ``await`` that it is at."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

Result = TypeVar("Result")


async def finish(
    work: Coroutine[Any, Any, Result], *, may_stop: Callable[[], bool] = lambda: False
) -> Result:
    """Await ``work`` to its end even if the caller is cancelled; raise ``CancelledError`` after it.

    If ``may_stop()`` is true then, ``work`` is cancelled, too, and may clean up before it ends.
    """
    context = copy_context()
    task = asyncio.create_task(work, context=context)
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait([task])  # `await task` would cancel the task
        except asyncio.CancelledError as exc:
            cancelled = exc
            if may_stop():
                task.cancel()
    for variable, value in context.items():  # as if there had been no task
        if variable.get(None) is not value:
            variable.set(value)
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # or asyncio warns that nobody has looked at it
    raise cancelled
