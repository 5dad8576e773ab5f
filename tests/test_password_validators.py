"""Validators for words of the context and for leaked passwords."""

import hashlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import get_password_validators
from django.core.exceptions import ImproperlyConfigured, ValidationError

from session_auth.passwords import validators
from session_auth.passwords.validators import ContextWordsValidator, LeakedPasswordValidator
from tests.api_client import AUTH, PASSWORD, signed_in

LEAKED = "correct horse battery staple"
OTHER = "a quite different one"


def digest_of(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def refusal(validator: Any, password: str) -> str | None:
    try:
        validator.validate(password)
    except ValidationError as error:
        return str(error.code)
    return None


# Words of the context


@pytest.mark.parametrize(
    "password",
    [
        *("acme", "Acme2026!", "ACME-acme-Acme-2026", "4cm3 123456", "@CME!!!!!!!!!!!!"),
        *(
            "a.c.m.e.2026",
            "Road Runner 99",
            "roadrunner@acme",
            "\uff41cme 2026",
            "acmeacmeacmeacme",
        ),
    ],
)
def test_a_password_that_is_little_else_than_a_word_of_the_context_is_refused(
    password: str,
) -> None:
    validator = ContextWordsValidator(words=["Acme", "Road Runner"])

    assert refusal(validator, password) == "password_of_context"


@pytest.mark.parametrize(
    "password", ["my acme account is older", "12345678", "acadme2026", "acme-k7Qz9vXw", ""]
)
def test_a_phrase_may_have_such_a_word_in_it(password: str) -> None:
    assert refusal(ContextWordsValidator(words=["Acme"]), password) is None


def test_how_much_else_there_has_to_be_can_be_said() -> None:
    password = "my acme account is older"

    assert refusal(ContextWordsValidator(["acme"], min_rest=30), password) == "password_of_context"


def test_the_refusal_says_which_word_it_is() -> None:
    with pytest.raises(ValidationError, match="little else than “Road Runner”"):
        ContextWordsValidator(words=["Acme", "Road Runner"]).validate("RoadRunner1")


@pytest.mark.parametrize("words", ["acme", ["acme", "ab"], ["-!-"]])
def test_words_are_a_list_of_words(words: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="a list of strings"):
        ContextWordsValidator(words=words)


# Leaked passwords: a file


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    digests = sorted(digest_of(f"password-{n}") for n in range(300))
    counts = [f":{n}" if n % 3 else "" for n in range(300)]
    file = tmp_path / "leaked.txt"
    lines = zip(digests, counts, strict=True)
    file.write_bytes(b"".join(f"{digest}{count}\r\n".encode() for digest, count in lines))
    return file


def test_each_password_of_the_file_is_refused_and_no_other(listed: Path) -> None:
    validator = LeakedPasswordValidator(file=listed)

    found = {n for n in range(-300, 600) if refusal(validator, f"password-{n}")}
    assert found == set(range(300))
    assert refusal(validator, "password-7") == "password_leaked"


def test_what_is_no_list_of_digests_is_an_error(tmp_path: Path, listed: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("123456\npassword\n")
    for file in (words, tmp_path, tmp_path / "nothing.txt"):
        with pytest.raises(ImproperlyConfigured, match="no list of SHA-1 digests"):
            LeakedPasswordValidator(file=str(file))


# Leaked passwords: a service


@dataclass
class Service:
    """A service for ranges of digests, and what it was sent."""

    port: int = 0
    body: bytes = b""
    status: int = 200
    location: str = ""
    trickles: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/range/{{prefix}}"

    def lists(self, *lines: str) -> None:
        padding = [f"{n:035X}:0" for n in range(100)]
        self.body = "\r\n".join([*padding, *lines]).encode()


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.seen.append((self.path, dict(self.headers)))
            leads_away = found.location and self.path.startswith("/range/")
            self.send_response(302 if leads_away else found.status)
            self.send_header("Location", found.location)
            self.end_headers()
            self.wfile.write(found.body)
            if found.trickles:
                found.stop.wait(10)

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    found.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield found
    found.stop.set()
    server.shutdown()
    server.server_close()


def test_the_service_learns_five_digits_of_a_digest(service: Service) -> None:
    service.lists(f"{digest_of(LEAKED)[5:]}:37")
    validator = LeakedPasswordValidator(url=service.url)

    assert refusal(validator, LEAKED) == "password_leaked"
    assert refusal(validator, OTHER) is None

    assert [path for path, _ in service.seen] == [
        f"/range/{digest_of(LEAKED)[:5]}",
        f"/range/{digest_of(OTHER)[:5]}",
    ]
    assert set(service.seen[0][1]) == {
        *("Accept-Encoding", "Add-Padding", "Connection", "Host", "User-Agent")
    }
    assert service.seen[0][1]["Add-Padding"] == "true"


def test_what_only_pads_the_answer_is_no_leak(service: Service) -> None:
    service.lists(f"{digest_of(OTHER)[5:]}:0")

    assert refusal(LeakedPasswordValidator(url=service.url), OTHER) is None


def test_a_redirect_of_the_service_is_not_followed(service: Service) -> None:
    """ASVS 15.3.2"""
    service.lists(f"{digest_of(LEAKED)[5:]}:37")
    service.location = f"http://localhost:{service.port}/elsewhere"

    assert refusal(LeakedPasswordValidator(url=service.url), LEAKED) is None

    assert [path for path, _ in service.seen] == [f"/range/{digest_of(LEAKED)[:5]}"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 503}, "HTTPError"),
        ({"body": b"<html>Log in to this network</html>"}, "ValueError"),
        ({"body": b""}, "ValueError"),
        ({"trickles": True}, "TimeoutError"),
        ({"port": 1}, "URLError"),
    ],
)
def test_if_the_service_does_not_answer_the_password_passes_and_the_log_says_so(
    service: Service,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    answer: dict[str, Any],
    error: str,
) -> None:
    monkeypatch.setattr(validators, "TIMEOUT_SECONDS", 0.3 if error == "TimeoutError" else 30)
    service.lists(f"{digest_of(LEAKED)[5:]}:37")
    for name, value in answer.items():
        setattr(service, name, value)
    began_at = monotonic()

    assert refusal(LeakedPasswordValidator(url=service.url), LEAKED) is None

    assert monotonic() - began_at < 5
    assert caplog.record_tuples == [
        ("session_auth", logging.WARNING, f"Nobody said whether a password has leaked: {error}")
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "http://example.org/range/{prefix}"},
        {"url": "https://example.org/range/"},
        {"url": "file:///etc/{prefix}"},
        {"url": "https://example.org/{prefix}", "file": "leaked.txt"},
    ],
)
def test_it_asks_nobody_unless_it_is_told_whom(options: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match="LeakedPasswordValidator"):
        LeakedPasswordValidator(**options)


# In the settings


@pytest.mark.django_db
def test_a_change_of_the_password_tells_why_it_is_refused(
    alice: User, settings: Any, service: Service
) -> None:
    path = "session_auth.passwords.validators."
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": path + "ContextWordsValidator", "OPTIONS": {"words": ["acme"]}},
        {"NAME": path + "LeakedPasswordValidator", "OPTIONS": {"url": service.url}},
    ]
    service.lists(f"{digest_of('acme2026')[5:]}:1")
    body = {"old_password": PASSWORD, "new_password": "acme2026"}

    response = signed_in().call("POST", AUTH + "password/change/", body)

    assert response.json()["fields"] == {
        "new_password": [
            "This password is too easy to guess here: it is little else than “acme”.",
            "This password was found in a list of leaked passwords. Choose another one.",
        ]
    }
    found = get_password_validators(settings.AUTH_PASSWORD_VALIDATORS)
    texts = [each.get_help_text() for each in found]
    assert [text.startswith("Your password cannot be") for text in texts] == [True, True]
