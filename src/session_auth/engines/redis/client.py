"""The client of ``SESSION_AUTH_REDIS``, and the one boundary to its servers."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from importlib import import_module
from inspect import signature
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.module_loading import import_string

from session_auth import events
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import StoreUnavailable

try:
    from redis import Redis, Sentinel
    from redis.backoff import ExponentialBackoff
    from redis.cluster import ClusterNode, RedisCluster
    from redis.exceptions import RedisError
    from redis.retry import Retry
except ImportError as exc:  # pragma: no cover # the tests of this engine have it
    raise ImproperlyConfigured(
        "The engine session_auth.engines.redis needs redis-py: pip install "
        "'django-session-auth[redis]'."
    ) from exc

PREFIX = "sa"
"""Begins all keys, unless the setting says another ``prefix``."""

WAIT_SECONDS = 0.5
"""How long to wait for ``wait_replicas``, unless the setting says another ``wait_timeout``."""

OURS = frozenset({"prefix", "wait_replicas", "wait_timeout"})
"""The options that are no client's."""

Reply = Any
"""What a server answers: a number, bytes, or a list or dict of replies."""

Errors = tuple[type[Exception], ...]
Hash = dict[str, str]
Result = TypeVar("Result")
Steps = Generator[list[str], list[Hash], Result]
"""What is found in hashes: yields the keys of those that it has to see next, and is sent them."""


class Kind(NamedTuple):
    """The classes of redis-py by which clients are made: for threads, or for asyncio."""

    redis: Any
    sentinel: Any
    retry: Any


THREADS = Kind(Redis, Sentinel, Retry)


def patience(kind: Kind = THREADS) -> dict[str, Any]:
    """Return the options that a project can replace: how long a request waits for a server."""
    return {
        "socket_connect_timeout": 1.0,
        "socket_timeout": 2.0,
        "retry": kind.retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
    }


class Store:
    """A client, and what its servers are asked. Each method raises ``StoreUnavailable``."""

    def __init__(
        self,
        client: Any,
        *,
        prefix: str = PREFIX,
        wait_replicas: int = 0,
        wait_timeout: float = WAIT_SECONDS,
    ) -> None:
        self.client = client
        self.prefix = prefix
        self.wait_replicas = wait_replicas
        self.wait_milliseconds = max(1, round(wait_timeout * 1000))
        self.scripts: dict[str, Any] = {}
        self.errors = errors_of(type(client).__module__)

    def run(self, script: str, keys: Sequence[str], *args: str | int) -> Reply:
        """Run a script of ``scripts``: one step, on keys of one slot."""
        with self.guards():
            if script not in self.scripts:
                self.scripts[script] = self.client.register_script(script)
            return text(self.scripts[script](keys=keys, args=args))

    def wait_for_replicas(self, key: str, milliseconds: int) -> None:
        """Return once ``wait_replicas`` have what was written under ``key``, which is kept so long.

        Raise ``StoreUnavailable`` if they do not have it in time.
        """
        if not self.wait_replicas:
            return
        with self.guards():
            client = self.client
            if hasattr(client, "get_node_from_key"):  # of a Cluster
                client = client.get_redis_connection(client.get_node_from_key(key))
            # WAIT is about what its own connection has written: so that writes, after all others.
            with client.pipeline(transaction=False) as pipeline:
                pipeline.pexpire(key, milliseconds)
                pipeline.execute_command("WAIT", self.wait_replicas, self.wait_milliseconds)
                is_there, reached = pipeline.execute()
        if not is_there or reached < self.wait_replicas:
            events.record(Event.STORE_UNAVAILABLE, store="sessions", code="WAIT")
            raise StoreUnavailable

    def follow(self, steps: Steps[Result]) -> Result:
        """Get what ``steps`` ask for, and return what they find."""
        try:
            keys = next(steps)
            while True:
                keys = steps.send(self.hashes(keys))
        except StopIteration as found:
            result: Result = found.value
            return result

    def hashes(self, keys: Sequence[str]) -> list[Hash]:
        """Return the hashes under these keys, of any slots; an empty one where there is none."""
        with self.guards():
            if len(keys) == 1:
                return [text(self.client.hgetall(keys[0]))]
            pipeline = self.client.pipeline(transaction=False)
            for key in keys:
                pipeline.hgetall(key)
            found: list[Hash] = text(pipeline.execute())
            return found

    def members(self, key: str) -> list[str]:
        """Return the members of a sorted set, in its order."""
        with self.guards():
            found: list[str] = text(self.client.zrange(key, 0, -1))
            return found

    def forget_members(self, key: str, members: Sequence[str]) -> None:
        with self.guards():
            self.client.zrem(key, *members)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete keys of any slots."""
        with self.guards():
            pipeline = self.client.pipeline(transaction=False)
            for key in keys:
                pipeline.unlink(key)
            pipeline.execute()

    def scan(self, pattern: str) -> Iterator[str]:
        """Yield the keys that there are from the beginning to the end, on all servers."""
        with self.guards():
            for key in self.client.scan_iter(match=pattern, count=1000):
                yield text(key)

    def guards(self) -> AbstractContextManager[None]:
        return guarded(self.errors)


@contextmanager
def guarded(errors: Errors) -> Iterator[None]:
    try:
        yield
    except errors as error:
        # "OOM command not allowed", "READONLY You can't write against a read only replica"
        first = str(error).partition(" ")[0]
        code = first if first.isupper() else type(error).__name__
        events.record(Event.STORE_UNAVAILABLE, store="sessions", code=code)
        raise StoreUnavailable from error


def errors_of(module: str) -> Errors:
    """Return the errors of redis-py, or of another client with the same names, as valkey-py has."""
    names = vars(import_module(f"{module.partition('.')[0]}.exceptions"))
    make = "Redis" if "RedisError" in names else "Valkey"
    # As redis-py has it, the second is no child of the first.
    return names[f"{make}Error"], names[f"{make}ClusterException"], OSError


def text(reply: Reply) -> Any:
    """Return a reply with text instead of bytes, whether the client decodes or not."""
    match reply:
        case bytes():
            return reply.decode()
        case dict():
            return {text(key): text(value) for key, value in reply.items()}
        case list() | tuple():
            return [text(each) for each in reply]
        case _:
            return reply


@lru_cache(maxsize=1)
def store() -> Store:
    """Return the store of the setting; its connections are opened when they are first used."""
    ours, options = options_given()
    with guarded(errors_of("redis")):  # a client of a Cluster looks for its nodes at once
        return Store(client_of(options), **ours)


def options_given() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the dict that the setting is, or stands for: our options, and those of a client."""
    given = get_conf().REDIS
    options = dict(given) if isinstance(given, Mapping) else {"client": given}
    if "://" in str(options.get("client")):
        options["url"] = options.pop("client")
    return {name: options.pop(name) for name in OURS & options.keys()}, options


def mistake() -> str | None:
    """Return why no client can be made of the setting, or ``None``; no server is asked.

    Most options go to each connection: redis-py makes that when it is needed, and not before.
    """
    _, options = options_given()
    try:
        if "client" in options:
            if isinstance(options["client"], str):
                signature(import_string(options["client"])).bind()
        elif "cluster" in options:
            known = signature(RedisCluster).parameters
            others = {name: value for name, value in options.items() if name not in known}
            del others["cluster"]
            if "db" in others:
                raise ValueError("A Cluster has one database: leave 'db' out.")
            Redis(**others)
        else:
            client_of(options).connection_pool.make_connection()
    except (ImportError, TypeError, ValueError, RedisError) as error:
        return str(error)
    return None


def client_of(options: dict[str, Any], kind: Kind = THREADS) -> Any:
    """Return the client that is given, or make one."""
    client = options.pop("client", None)
    if client is not None:
        return import_string(client)() if isinstance(client, str) else client
    options = patience(kind) | options
    if "url" in options:
        return kind.redis.from_url(options.pop("url"), **options)
    if "cluster" in options:
        addresses = [_address(node, 6379) for node in options.pop("cluster")]
        nodes = [ClusterNode(*each) for each in addresses]  # type: ignore[no-untyped-call]  # by redis-py
        return RedisCluster(startup_nodes=nodes, **options)
    if "sentinels" in options:
        sentinels = [_address(node, 26379) for node in options.pop("sentinels")]
        service = options.pop("service", "mymaster")
        to_sentinels = patience(kind) | options.pop("sentinel_kwargs", {})
        sentinel = kind.sentinel(sentinels, sentinel_kwargs=to_sentinels, **options)
        return sentinel.master_for(service)
    raise ImproperlyConfigured(
        "SESSION_AUTH_REDIS is not set, but SESSION_ENGINE is 'session_auth.engines.redis'. Give "
        "it the URL of your server, such as 'redis://localhost:6379/0'."
    )


def _address(node: str, port: int) -> tuple[str, int]:
    """Return host and port of "host", "host:port" or "[::1]:port"."""
    parts = urlsplit(f"//{node}")
    return parts.hostname or "localhost", parts.port or port


@receiver(setting_changed, dispatch_uid="session_auth.engines.redis.client")
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "SESSION_AUTH_REDIS":
        store.cache_clear()
