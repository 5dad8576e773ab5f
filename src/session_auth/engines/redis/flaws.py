"""What is set up wrongly in the servers, as far as they tell, and in who uses them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model

from session_auth.engines.redis.client import Store, text
from session_auth.sessions.base import BaseSessionStore
from session_auth.sessions.rows import Flaw
from session_auth.sessions.users import has_hash_of
from session_auth.sessions.values import Record

OLDEST = (7, 0)
"""Of Redis, with the commands that the scripts use. Valkey says that it is Redis 7.2.4."""

STRANGERS_AT_MOST = 0.1
"""Of all sessions, how many may be of nobody here: such as those of users whom SQL has changed."""


def flaws(store: Store) -> Iterator[Flaw]:
    """Yield each flaw of each server that keeps the sessions."""
    if getattr(store.client, "read_from_replicas", False):
        yield Flaw("read_from_replicas is set: a replica may not know yet what was saved.")
    with store.guards():
        told = _by_server(store.client.info("all"))
        configured = _by_server(_config(store))
    for name, info in told.items():
        found = _of_server(info, configured.get(name, {}), store.wait_replicas)
        yield from (Flaw(f"{name}{flaw.text}", flaw.is_fatal) for flaw in found)


def _of_server(info: Mapping[str, Any], config: Mapping[str, str], waits: int) -> Iterator[Flaw]:
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if version < OLDEST:
        yield Flaw(f"Its version is {info['redis_version']}: the scripts need 7.0.", True)
    if info["role"] != "master":
        yield Flaw("It is a replica, and cannot write.", True)
        return
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if int(info.get("maxmemory", 0)) and policy != "noeviction":
        yield Flaw(
            f"maxmemory-policy is {policy}: when the memory is full, users are signed out. Set "
            "noeviction, which refuses logins with 503 instead."
        )
    replicas = int(info.get("connected_slaves", 0))
    if not replicas:
        yield Flaw("It has no replica: when it is down, nobody can work.")
    if replicas < waits:
        yield Flaw(f"wait_replicas is {waits}, and it has {replicas}: nobody can log in.", True)
    if not int(info.get("aof_enabled", 0)) and not config.get("save", "unknown"):
        yield Flaw("It writes nothing to a disk: when it starts anew, everybody is signed out.")


def _config(store: Store) -> Any:
    """Return what the server says of ``save``; some providers do not let one ask."""
    try:
        return text(store.client.config_get("save"))
    except store.errors:
        return {}


def _by_server(told: Any) -> dict[str, Any]:
    """Return what each server has told, by its name and ": "; "" for the only one."""
    told = text(told)
    if told and all(isinstance(each, dict) for each in told.values()):
        return {f"{name}: ": each for name, each in told.items()}
    return {"": told}


def another_site(records: Sequence[Record]) -> Iterator[Flaw]:
    """Yield a flaw if too many of these sessions are of users that are not those of this site.

    A user there has the primary key of one here, most likely, but not the password and the secret.
    """
    theirs = [record for record in records if record.user_id is not None]
    users = get_user_model()._base_manager.in_bulk({record.user_id for record in theirs})
    strangers = [
        record
        for record in theirs
        if record.user_id not in users
        or not has_hash_of(BaseSessionStore.of_record(record), users[record.user_id])
    ]
    if len(strangers) > STRANGERS_AT_MOST * len(theirs):
        yield Flaw(
            f"{len(strangers)} of {len(theirs)} sessions are of users who are not here, or have "
            "another password: another site keeps its own there, so that users see and end those "
            "of others. Give each site a prefix, or a database."
        )
