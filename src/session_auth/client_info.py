"""Who is calling, as far as a request tells."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from session_auth.conf import UNIX_SOCKET, get_conf

USER_AGENT_CHARACTERS = 300
IPV6_CLIENT_BITS = 64  # one customer has at least that many addresses to call from

META_NAMES = {"user-agent": "HTTP_USER_AGENT", "x-forwarded-for": "HTTP_X_FORWARDED_FOR"}
"""The headers that are read, by their names in an ASGI scope."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfo:
    """The address ("" behind a Unix socket), and the first 300 characters of the user agent."""

    ip: str
    user_agent: str


def client_info(meta: Mapping[str, Any]) -> ClientInfo:
    """Return who sent the request with this ``META``.

    The address is that of the peer: a client can write what it likes into X-Forwarded-For. If the
    peer is one of ``SESSION_AUTH_TRUSTED_PROXIES``, the address is the right-most one in
    X-Forwarded-For that is not a trusted proxy. What stands left of that may be invented.

    A network in the setting is trusted for the peer only, since clients may have addresses in it,
    too. Where several proxies follow each other, the setting has to name the others one by one.
    """
    address = _address(meta)
    return ClientInfo(
        ip="" if address is None else str(address),
        # PostgreSQL takes no NUL.
        user_agent=meta.get("HTTP_USER_AGENT", "").replace("\0", "")[:USER_AGENT_CHARACTERS],
    )


def meta_of(request: object) -> Mapping[str, Any]:
    """Return the ``META`` of ``request``, or as much of it as its ASGI scope tells.

    A consumer of Channels has a scope and no ``META``, and so has the request that a GraphQL
    library makes of it.
    """
    meta: Mapping[str, Any] | None = getattr(request, "META", None)
    return meta_of_scope(scope_of(request)) if meta is None else meta


def scope_of(request: object) -> Mapping[str, Any]:
    """Return the ASGI scope of a request that is not Django's; an empty one if it has none."""
    scope: Mapping[str, Any] = getattr(getattr(request, "consumer", request), "scope", {})
    return scope


def meta_of_scope(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``client_info()`` reads, from an ASGI scope, as Django makes ``META`` of it."""
    headers: dict[str, list[str]] = {}
    for name, value in scope.get("headers", ()):
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    told = {META_NAMES[name]: ",".join(headers[name]) for name in META_NAMES if name in headers}
    return {"REMOTE_ADDR": (scope.get("client") or [""])[0]} | told


def client_network(ip: str) -> str | None:
    """Return what one client can call from: an IPv4 address, or the 64-bit network of an IPv6 one.

    ``None`` without an address. A private one counts as any other, since people call from those,
    too; if it is a proxy that everybody has in common, ``SESSION_AUTH_TRUSTED_PROXIES`` says so.
    """
    if not ip or ip_address(ip).version == 4:
        return ip or None
    return str(ip_network((ip, IPV6_CLIENT_BITS), strict=False))


def _address(meta: Mapping[str, Any]) -> Address | None:
    peer = _parse(meta.get("REMOTE_ADDR", ""))
    proxies = get_conf().TRUSTED_PROXIES
    if not proxies:
        return peer
    if peer is None and UNIX_SOCKET not in proxies:
        return None
    networks = _networks(tuple(proxies))
    if peer is not None and not any(peer in network for network in networks):
        return peer
    client = peer
    for hop in _hops(meta.get("HTTP_X_FORWARDED_FOR", "")):
        # No address, "unknown" for example: take the last one that a proxy has told.
        if hop is None:
            break
        client = hop
        if not any(hop in network for network in networks if network.num_addresses == 1):
            break
    return client


def _hops(forwarded_for: str) -> Iterator[Address | None]:
    """Yield the addresses in X-Forwarded-For, what the nearest proxy wrote first."""
    return (_parse(_without_port(hop.strip())) for hop in reversed(forwarded_for.split(",")))


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4)
def _networks(proxies: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(proxy) for proxy in proxies if proxy != UNIX_SOCKET)
