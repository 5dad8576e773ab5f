"""The raw Cookie header: which cookies can be meant, and where a second one may come from."""

from http.cookies import Morsel, SimpleCookie
from ipaddress import ip_address

MAX_PLACES = 16
"""How many cookies of a name are expired at once: many a proxy takes 4 kB of headers, no more."""


def without_near_names(header: str, *names: str) -> str:
    """Return ``header`` without cookies whose name becomes one of ``names`` only by stripping.

    Django strips from names the spaces of all alphabets and control characters. So
    ``"\\u2000__Host-sessionid"``, which a subdomain may plant, would stand for the cookie that none
    can. No such name is ever ours, so nobody loses anything with it; and it gives nobody a choice
    between two cookies, since what counts is what bears the very name.
    """
    return ";".join(cookie for cookie in header.split(";") if not _is_near(_name(cookie), names))


def twins(header: str, *names: str) -> list[str]:
    """Return those of the cookies ``names`` that stand twice: Django would take the last."""
    found = [_name(cookie) for cookie in header.split(";")]
    return [name for name in names if found.count(name) > 1]


def expire_strangers(
    cookies: SimpleCookie, name: str, *, host: str, path: str, own: tuple[str | None, str]
) -> None:
    """Let a browser forget each cookie ``name`` that it sends to ``path`` of ``host``, but ours.

    A name may be there once for each domain and path; ``own`` are those of ours, whose domain is
    ``None`` if it goes to this host alone. What is left is what we have set, if anything. The
    browser refuses to forget what ``host`` may not set, such as a cookie of a public suffix.
    """
    if name.startswith("__Host-"):
        return  # of which there is but one place
    others = [place for place in _places(host, path) if place != own]
    for domain, prefix in others[:MAX_PLACES]:
        morsel: Morsel[str] = Morsel()
        morsel.set(name, "", "")
        morsel.update({"domain": domain or "", "path": prefix, "max-age": "0"})
        morsel["secure"] = name.startswith("__Secure-")
        cookies[f"{name} {len(cookies)}"] = morsel  # a key of its own, since they share the name


def _places(host: str, path: str) -> list[tuple[str | None, str]]:
    """Return the domains and paths of all cookies that a browser may send there."""
    domains: list[str | None] = [None]
    if not _is_address(host):
        labels = host.split(".")
        domains += [".".join(labels[start:]) for start in range(len(labels) - 1)]
    prefixes = ["/"]
    for segment in filter(None, path.split("/")):
        prefixes += [prefixes[-1] + segment, f"{prefixes[-1]}{segment}/"]
    return [(domain, prefix) for prefix in prefixes for domain in domains]


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host.strip("[]")))
    except ValueError:
        return False


def _name(cookie: str) -> str:
    return cookie.partition("=")[0].removeprefix(" ")


def _is_near(name: str, names: tuple[str, ...]) -> bool:
    is_stripped = not (name.isascii() and name.isprintable()) or " " in name
    return is_stripped and any(ours in name for ours in names)
