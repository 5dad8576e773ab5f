import hashlib
from base64 import urlsafe_b64decode

import pytest

from session_auth.csrf import csrf_secret
from session_auth.keys import digest, is_session_key, new_session_key


def test_a_new_key_holds_256_bits_and_never_comes_twice() -> None:
    keys = {new_session_key() for _ in range(10_000)}

    assert len(keys) == 10_000
    assert {len(urlsafe_b64decode(key + "=")) for key in keys} == {32}


def test_a_new_key_is_a_key() -> None:
    assert is_session_key(new_session_key())


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "short",
        "a" * 42,
        "a" * 44,
        "a" * 42 + "\n",
        "a" * 42 + "=",
        "a" * 42 + "é",
        "a" * 42 + "\ud800",
        "a" * 42 + "\0",
        "a" * 100_000,
    ],
)
def test_anything_else_is_not_a_key(value: str | None) -> None:
    assert not is_session_key(value)


def test_the_id_is_the_sha256_of_the_key_and_fits_the_column() -> None:
    key = new_session_key()

    assert urlsafe_b64decode(digest(key) + "=") == hashlib.sha256(key.encode()).digest()
    assert len(digest(key)) == 43


def test_the_csrf_secret_follows_from_the_key_alone() -> None:
    key, other = new_session_key(), new_session_key()
    secret = csrf_secret(key)

    assert secret == csrf_secret(key) != csrf_secret(other)
    assert len(bytes.fromhex(secret)) == 16


def test_the_csrf_secret_is_128_bits_of_a_sha256() -> None:
    """ASVS 11.2.3. Another one would void the tokens of all open pages at an upgrade."""
    key = new_session_key()

    expected = hashlib.sha256(b"session_auth.csrf" + key.encode()).hexdigest()
    assert csrf_secret(key) == expected[:32]


def test_the_csrf_secret_does_not_follow_from_the_id() -> None:
    key = new_session_key()
    known = urlsafe_b64decode(digest(key) + "=")

    assert csrf_secret(key) not in {known.hex()[:32], csrf_secret(digest(key))}
