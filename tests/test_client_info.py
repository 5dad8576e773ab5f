"""The address of a client, behind proxies and liars."""

from ipaddress import ip_address
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from session_auth.client_info import client_info, client_network

PROXY, OTHER_PROXY, CLIENT = "10.0.0.1", "2001:db8::1", "9.9.9.9"
INNER_PROXY = "10.2.2.2"
TRUSTED = override_settings(
    SESSION_AUTH_TRUSTED_PROXIES=["10.0.0.0/8", INNER_PROXY, f"{OTHER_PROXY}/128"]
)

addresses = st.ip_addresses().map(str)
lies = st.lists(addresses | st.text(st.characters(codec="utf-8")), max_size=4).map(",".join)


def ip(peer: str, forwarded_for: str | None = None) -> str:
    meta: dict[str, Any] = {"REMOTE_ADDR": peer}
    if forwarded_for is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded_for
    return client_info(meta).ip


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("9.9.9.9", "9.9.9.9"),
        ("2001:DB8:0::2", "2001:db8::2"),
        ("::ffff:9.9.9.9", "9.9.9.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        ("unix:", ""),
        ("9.9.9", ""),
        ("09.9.9.9", ""),
    ],
)
def test_without_proxies_the_peer_is_the_client(peer: str, expected: str) -> None:
    assert ip(peer, "1.1.1.1") == expected


def test_a_request_without_an_address_has_none() -> None:
    assert client_info({}).ip == ""


@pytest.mark.parametrize(
    ("forwarded_for", "expected"),
    [
        (CLIENT, CLIENT),
        (f"1.1.1.1, {CLIENT}", CLIENT),
        (f"1.1.1.1, {CLIENT}, {INNER_PROXY}, {OTHER_PROXY}", CLIENT),
        (f"1.1.1.1, {CLIENT}, 10.9.9.9, {OTHER_PROXY}", "10.9.9.9"),
        (f"nonsense, {CLIENT}", CLIENT),
        (f"{CLIENT}:4711", CLIENT),
        ("[2001:db8::2]:4711", "2001:db8::2"),
        ("[2001:db8::2]", "2001:db8::2"),
        ("2001:db8::2", "2001:db8::2"),
        ("::ffff:9.9.9.9", CLIENT),
        (f"{CLIENT}, ::ffff:10.2.2.2", CLIENT),
        (f"{CLIENT}, ::ffff:10.0.0.7", "10.0.0.7"),
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("8.8.8.1, 10.1.2.3", "10.1.2.3"),
        (INNER_PROXY, INNER_PROXY),
        (f"{CLIENT}, nonsense", PROXY),
        (f"{CLIENT}, nonsense, 10.2.2.2", "10.2.2.2"),
        (f"{CLIENT},", PROXY),
        ("", PROXY),
        (None, PROXY),
    ],
)
@TRUSTED
def test_behind_proxies_it_is_the_last_that_a_proxy_told(
    forwarded_for: str | None, expected: str
) -> None:
    assert ip(PROXY, forwarded_for) == expected


@TRUSTED
def test_a_peer_that_is_no_proxy_is_not_believed() -> None:
    assert ip(CLIENT, "1.1.1.1") == CLIENT


@pytest.mark.parametrize("peer", ["", "unix:"])
def test_a_proxy_on_a_unix_socket_can_be_trusted(peer: str) -> None:
    with override_settings(SESSION_AUTH_TRUSTED_PROXIES=["unix"]):
        assert ip(peer, f"1.1.1.1, {CLIENT}") == CLIENT
        assert ip(peer, "nonsense") == ""
    with override_settings(SESSION_AUTH_TRUSTED_PROXIES=[PROXY]):
        assert ip(peer, CLIENT) == ""


@given(lies, addresses)
@TRUSTED
def test_whatever_a_client_sends_ahead_the_proxys_word_counts(lie: str, client: str) -> None:
    """A54"""
    told = ip(PROXY, f"{lie},{client}")

    honest = ip(PROXY, client)
    assert client in (OTHER_PROXY, INNER_PROXY) or told == honest


@given(st.text() | lies, st.text() | addresses)
@TRUSTED
def test_nothing_breaks_it_and_only_addresses_come_out(forwarded_for: str, peer: str) -> None:
    told = ip(peer, forwarded_for)

    assert told == "" or str(ip_address(told)) == told


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("9.9.9.9", "9.9.9.9"),
        ("2606:4700:1:2:3:4:5:6", "2606:4700:1:2::/64"),
        ("", None),
        ("127.0.0.1", "127.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("fd00::1", "fd00::/64"),
    ],
)
def test_one_client_calls_from_one_network(address: str, expected: str | None) -> None:
    assert client_network(address) == expected
