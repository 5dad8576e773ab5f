"""Redis tells other processes of ends: by PUBLISH, in the script that deletes the rows.

That script runs once the end is committed, so no end is told that is rolled back, and telling
costs no step of its own.

In a Cluster it is PUBLISH, too: its servers pass on what is told to each other, so that a process
may listen at any of them, wherever slots move. SPUBLISH keeps what is told in one slot, which for
that script is the one of the user: as each process hears of everybody's ends, each would have to
listen to all slots. Ends are rare; saves are not told.
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from session_auth.engines.redis.client import store, text
from session_auth.sessions.bus import Notice, text_of
from session_auth.sessions.values import Record
from session_auth.signals import EndReason

TICK_SECONDS = 1.0

SILENCE_SECONDS = 5.0
"""After which a server that does not answer is taken for gone, though the connection is there."""


def channel() -> str:
    """Return the name by which notices are told: channels know no databases, but keys do."""
    options: Mapping[str, Any] = getattr(store().client, "get_connection_kwargs", dict)()
    return f"{store().prefix}:ended:{options.get('db') or 0}"


def of_ends(
    records: Sequence[Record], reason: EndReason, *, successor: Record | None = None
) -> dict[str, str]:
    """Return what is to be told of the end of these sessions, by their ids.

    ``successor`` is the session that takes the place of those of the same user.
    """
    next_ids = {} if successor is None else {successor.user_id: successor.id}
    return {
        record.id: text_of(Notice(record.id, record.user_id, reason, next_ids.get(record.user_id)))
        for record in records
        if record.user_id is not None
    }


def tell(told: str) -> None:
    with store().guards():
        store().client.publish(channel(), told)


def listen() -> Iterator[str | None]:
    """Do what ``Rows.listen()`` says, on a connection of its own."""
    name, is_subscribed = channel(), False
    with closing(_subscriber()) as subscriber:
        subscriber.subscribe(name)
        heard_at = ticked_at = time.monotonic()
        while True:
            left = ticked_at + TICK_SECONDS - time.monotonic()
            message: Any = subscriber.get_message(timeout=max(0.0, left))
            now = time.monotonic()
            if message is not None:
                heard_at = now
                kind = text(message["type"])
                if kind == "message":
                    yield text(message["data"])
                elif kind == "subscribe":
                    if is_subscribed:  # the client has connected anew, and says so by this alone
                        raise ConnectionError("The connection was lost for a moment.")
                    is_subscribed = True
                    yield None
            if now >= ticked_at + TICK_SECONDS:
                if now > heard_at + SILENCE_SECONDS:
                    raise TimeoutError("The server does not answer.")
                subscriber.ping()
                ticked_at = now
                yield None


def _subscriber() -> Any:
    client = store().client
    if not hasattr(client, "get_primaries"):  # it is none of a Cluster
        return client.pubsub()
    return client.pubsub(node=random.choice(client.get_primaries()))  # noqa: S311 # no secret
