"""Who is calling, as far as a request tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

USER_AGENT_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfo:
    """An address, "" if there is none (a Unix socket), and the start of the user agent."""

    ip: str
    user_agent: str


def client_info(meta: Mapping[str, Any]) -> ClientInfo:
    """Return who sent the request with this ``META``.

    The address is that of the peer: headers such as X-Forwarded-For are the client's to invent.
    """
    return ClientInfo(
        ip=_address(meta.get("REMOTE_ADDR", "")),
        # PostgreSQL takes no NUL.
        user_agent=meta.get("HTTP_USER_AGENT", "").replace("\0", "")[:USER_AGENT_CHARACTERS],
    )


def _address(text: str) -> str:
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return ""
