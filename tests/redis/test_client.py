"""``SESSION_AUTH_REDIS``: what may stand there, and what is made of it."""

from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import override_settings
from redis import Redis
from redis.cluster import RedisCluster
from redis.sentinel import SentinelConnectionPool

from session_auth.checks import stores
from session_auth.conf import get_conf
from session_auth.engines.redis.client import Store, store, text
from session_auth.engines.redis.flaws import flaws
from session_auth.exceptions import StoreUnavailable
from session_auth.sessions.listing import rows
from session_auth.sessions.rows import Flaw
from tests.api_client import signed_in
from tests.settings import REDIS, SESSION_AUTH_REDIS
from tests.storing import SessionStore

NOWHERE = "redis://127.0.0.1:1"
ENGINE = "session_auth.engines.redis"


def client_of(given: Any) -> Any:
    with override_settings(SESSION_AUTH_REDIS=given):
        return store().client


def make_client() -> Redis:
    return Redis(host="made")


def test_a_url_says_where_the_server_is_and_how_long_to_wait() -> None:
    options = client_of("rediss://me:secret@example.org:6380/3").get_connection_kwargs()

    assert (options["host"], options["port"], options["db"]) == ("example.org", 6380, 3)
    assert (options["username"], options["password"]) == ("me", "secret")
    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (1.0, 2.0)
    assert options["retry"].get_retries() == 2


def test_a_project_says_how_long_to_wait() -> None:
    options = client_of({"url": NOWHERE, "socket_timeout": 9}).get_connection_kwargs()

    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (1.0, 9)


def test_sentinels_know_the_primary() -> None:
    client = client_of({"sentinels": ["a", "b:1", "[::1]:2"], "service": "s", "password": "p"})

    pool = client.connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    assert (pool.service_name, pool.is_master) == ("s", True)
    addresses = [
        (each.get_connection_kwargs()["host"], each.get_connection_kwargs()["port"])
        for each in pool.sentinel_manager.sentinels
    ]
    assert addresses == [("a", 26379), ("b", 1), ("::1", 2)]


@pytest.mark.parametrize("given", [f"{__name__}.make_client", {"client": make_client()}])
def test_a_client_of_the_project_is_taken(given: Any) -> None:
    assert client_of(given).get_connection_kwargs()["host"] == "made"


def test_an_object_is_a_client_too() -> None:
    client = make_client()

    assert client_of(client) is client


def test_primaries_alone_are_read() -> None:
    client = client_of(SESSION_AUTH_REDIS)

    assert isinstance(client, RedisCluster) is (REDIS == "cluster")
    assert getattr(client, "read_from_replicas", False) is False


def test_without_a_server_there_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ImproperlyConfigured, match="redis://localhost"):
        client_of(None)


@pytest.mark.parametrize(
    "given",
    [
        *("localhost", "", 6379, {}, {"url": NOWHERE, "cluster": []}, {"prefix": "a"}),
        *("valkey://localhost", "http://localhost", "redis://localhost/a"),
        *("redis://:a/b@localhost", "redis:/localhost", {"url": None}, {"url": "localhost:6379"}),
        *({"client": object()}, {"client": None}, ["redis://localhost"], {"host": "localhost"}),
        *({"cluster": "a:1"}, {"cluster": []}, {"cluster": ["redis://a"]}, {"cluster": ["a:b"]}),
        *({"sentinels": "a:1"}, {"sentinels": [("a", 1)]}, {"sentinels": ["::1"]}),
        {"url": NOWHERE, "prefix": 5},
        {"url": NOWHERE, "wait_replicas": 0},
        {"url": NOWHERE, "wait_replicas": True},
        {"url": NOWHERE, "wait_replicas": 1, "wait_timeout": 0},
        {"url": NOWHERE, "wait_replicas": 1, "wait_timeout": "1"},
        {"url": NOWHERE, "wait_replicas": 1, "wait_timeout": float("nan")},
        {"url": NOWHERE, "wait_replicas": 1, "wait_timeout": float("inf")},
    ],
)
def test_what_names_no_server_is_refused(given: Any) -> None:
    with (
        override_settings(SESSION_AUTH_REDIS=given),
        pytest.raises(ImproperlyConfigured, match="SESSION_AUTH_REDIS must be"),
    ):
        get_conf()


@pytest.mark.parametrize("prefix", ["{a}", "a*", "a?", "[a]", "a\\"])
def test_a_prefix_must_not_choose_the_slot_or_mean_other_keys(prefix: str) -> None:
    with (
        override_settings(SESSION_AUTH_REDIS={"url": NOWHERE, "prefix": prefix}),
        pytest.raises(ImproperlyConfigured, match="'prefix' is a string with none of"),
    ):
        get_conf()


def test_a_server_that_cannot_be_reached_is_503() -> None:
    with override_settings(SESSION_AUTH_REDIS=NOWHERE), pytest.raises(StoreUnavailable):
        store().hashes(["a"])


def test_replies_are_read_whether_the_client_decodes_or_not() -> None:
    assert text([b"a", "b", 1, None, {b"c": b"d"}]) == ["a", "b", 1, None, {"c": "d"}]


# Checks


def ids(check: Any) -> list[str]:
    return [message.id for message in check()]


@pytest.mark.parametrize("engine", [ENGINE, f"{ENGINE}_and_database"])
def test_the_check_asks_for_a_server(engine: str) -> None:
    with override_settings(SESSION_ENGINE=engine, SESSION_AUTH_REDIS=None):
        assert ids(stores.redis_is_named) == ["session_auth.E027"]


@pytest.mark.parametrize(
    ("engine", "given"), [(ENGINE, NOWHERE), ("session_auth.engines.database", None)]
)
def test_the_check_is_content(engine: str, given: Any) -> None:
    with override_settings(SESSION_ENGINE=engine, SESSION_AUTH_REDIS=given):
        assert ids(stores.redis_is_named) == []
        assert ids(stores.redis_client_can_be_made) == []
        assert ids(stores.sessions_are_not_in_a_cache) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere.make_client", "No module named 'nowhere'"),
        ("redis://localhost:a", "Port"),
        (f"{__name__}.there_is_none", "there_is_none"),
        (f"{__name__}.NOWHERE", "is not a callable object"),
        (f"{__name__}.client_of", "missing a required argument: 'given'"),
        ({"url": NOWHERE, "sock_timeout": 1}, "'sock_timeout'"),
        ({"url": NOWHERE, "service": "a"}, "'service'"),
        ({"url": NOWHERE, "ssl": True}, "'ssl'"),
        ({"url": NOWHERE, "max_connections": "many"}, "max_connections"),
        ({"sentinels": ["a"], "sock_timeout": 1}, "'sock_timeout'"),
        ({"cluster": ["a"], "sock_timeout": 1}, "'sock_timeout'"),
        ({"cluster": ["a"], "db": 0}, "'db'"),
    ],
)
def test_the_check_tells_of_what_makes_no_client(given: Any, said: str) -> None:
    with override_settings(SESSION_ENGINE=ENGINE, SESSION_AUTH_REDIS=given):
        [error] = stores.redis_client_can_be_made()

    assert error.id == "session_auth.E028"
    assert said in error.msg


@pytest.mark.parametrize(
    "given",
    [
        *("redis://", "rediss://me:a%2Fb@[::1]:6380/3?socket_timeout=1", "unix:///run/redis.sock"),
        *(f"{__name__}.make_client", make_client(), {"client": NOWHERE}),
        {"url": "rediss://a", "ssl_ca_certs": "/etc/ca.pem", "wait_replicas": 1},
        {"cluster": ["10.0.0.1:6379", "[::1]", "a"], "ssl": True, "read_from_replicas": False},
        {"sentinels": ["a:1"], "service": "s", "sentinel_kwargs": {"password": "p"}, "ssl": True},
    ],
)
def test_the_check_takes_what_makes_a_client(given: Any) -> None:
    with override_settings(SESSION_ENGINE=ENGINE, SESSION_AUTH_REDIS=given):
        assert ids(stores.redis_client_can_be_made) == []


@pytest.mark.parametrize(
    ("given", "location"),
    [
        ("redis://a:1/0", "redis://a:1"),
        ({"url": "redis://a:1/1"}, ["redis://b:1/1", "redis://a:1/1"]),
        ("redis://a:1", "redis://b:1;redis://a:1/"),
    ],
)
def test_a_cache_in_the_same_database_is_told(given: Any, location: Any) -> None:
    cache = {"BACKEND": "django.core.cache.backends.dummy.DummyCache", "LOCATION": location}
    with override_settings(
        SESSION_ENGINE=ENGINE, SESSION_AUTH_REDIS=given, CACHES={"default": cache}
    ):
        assert ids(stores.sessions_are_not_in_a_cache) == ["session_auth.W022"]


# The doctor

GOOD = {
    "redis_version": "7.2.4",
    "role": "master",
    "maxmemory": 10,
    "maxmemory_policy": "noeviction",
    "connected_slaves": 1,
    "aof_enabled": 1,
}


class Told:
    """A server that says this of itself: no test server is as old, or evicts anything."""

    __module__ = "redis.told"

    def __init__(self, info: dict[str, Any], save: str | None = "", *, replicas: bool = False):
        self.said, self.save, self.read_from_replicas = info, save, replicas

    def info(self, section: str) -> dict[str, Any]:
        return self.said

    def config_get(self, name: str) -> dict[str, Any]:
        if self.save is None:
            raise store().errors[0]
        return {name: self.save}


FATAL = {"Its version is 6.2.14", "It is a replica"}


@pytest.mark.parametrize(
    ("server", "flaw"),
    [
        (Told(GOOD), None),
        (Told(GOOD | {"redis_version": "6.2.14"}), "Its version is 6.2.14"),
        (Told(GOOD | {"role": "slave"}), "It is a replica"),
        (Told(GOOD | {"maxmemory_policy": "allkeys-lru"}), "maxmemory-policy is allkeys-lru"),
        (Told(GOOD | {"maxmemory_policy": "allkeys-lru", "maxmemory": 0}), None),
        (Told(GOOD | {"connected_slaves": 0}), "It has no replica"),
        (Told(GOOD | {"aof_enabled": 0}), "It writes nothing to a disk"),
        (Told(GOOD | {"aof_enabled": 0}, save="3600 1"), None),
        (Told(GOOD | {"aof_enabled": 0}, save=None), None),
        (Told({"10.0.0.1:1": GOOD | {"connected_slaves": 0}}), "10.0.0.1:1: It has no replica"),
        (Told(GOOD, replicas=True), "read_from_replicas is set"),
    ],
)
def test_the_doctor_tells_what_is_wrong_with_a_server(server: Told, flaw: str | None) -> None:
    found = list(flaws(Store(server)))

    assert [each.text[: len(flaw)] for each in found] == [flaw] if flaw else found == []
    assert any(each.is_fatal for each in found) is (flaw in FATAL)


def test_the_doctor_tells_of_replicas_that_are_waited_for_and_missing() -> None:
    one, none = Told(GOOD), Told(GOOD | {"connected_slaves": 0})

    assert list(flaws(Store(one, wait_replicas=1))) == []
    [_, flaw] = flaws(Store(none, wait_replicas=1))
    assert flaw == ("wait_replicas is 1, and it has 0: nobody can log in.", True)


def test_the_doctor_asks_the_servers_that_there_are() -> None:
    assert any("writes nothing to a disk" in flaw.text for flaw in rows().flaws() or ())


@pytest.mark.django_db
@pytest.mark.parametrize(("is_fatal", "level"), [(True, "FAIL"), (False, "WARN")])
def test_the_doctor_fails_where_nobody_can_log_in(
    is_fatal: bool, level: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(rows()), "flaws", lambda self: [Flaw("It sleeps.", is_fatal)])

    with suppress(CommandError):  # which other findings are a reason for, too
        call_command("session_doctor")

    told = " ".join(capsys.readouterr().out.split())
    assert f"{level} store The store of the sessions keeps them: It sleeps." in told


@pytest.mark.django_db
def test_the_doctor_says_that_it_cannot_ask(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(SESSION_AUTH_REDIS=NOWHERE), pytest.raises(CommandError):
        call_command("session_doctor")

    told = " ".join(capsys.readouterr().out.split())
    assert "FAIL store The store of the sessions keeps them: " in told
    assert "StoreUnavailable" not in told
    assert "-> Start the server that SESSION_AUTH_REDIS names, or name the right one: " in told
    assert caplog.messages == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "of_another_site", [{"password": "of another site"}, {"pk": 4_000, "username": "dave"}]
)
def test_the_doctor_tells_of_another_site_in_the_same_place(
    alice: User, bob: User, of_another_site: dict[str, Any]
) -> None:
    signed_in()
    SessionStore().save()  # of a visitor, as each site has them
    assert told_of_strangers() == []

    user = User(**{"pk": bob.pk, "username": "bob"} | of_another_site)
    session = SessionStore()
    session.update(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )
    session.save()

    assert told_of_strangers() == ["1 of 2 sessions are of users who are not here"]


def told_of_strangers() -> list[str]:
    told = [flaw.text.partition(",")[0] for flaw in rows().flaws() or ()]
    return [each for each in told if "users who are not here" in each]
