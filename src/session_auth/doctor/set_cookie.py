"""What should be true of a cookie as it arrives, through the proxies in between."""

from collections.abc import Iterator

from session_auth.doctor.findings import Finding, Level, judged
from session_auth.doctor.visit import Visit
from session_auth.doctor.wire import Cookie

HOST = "__Host-"


def judge(visit: Visit, cookie: Cookie, *, which: str, is_hidden: bool) -> Iterator[Finding]:
    """Yield what is right and wrong with ``cookie``; the ids begin with ``which``.

    ``is_hidden`` says whether scripts must not see it.
    """
    name = visit.shown(cookie.name)
    subject = f"The cookie {name}"
    if visit.site.is_https:
        yield judged(
            cookie.has("secure"),
            id=f"{which}.secure",
            subject=f"{subject} is Secure",
            seen=_flag(cookie, "Secure"),
            hint="Set SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE to True; if they are, look for "
            "what strips the flag on the way.",
        )
        yield _prefix(cookie, which=which, subject=subject, name=name)
    else:
        yield Finding(
            id=f"{which}.secure",
            level=Level.SKIP,
            subject=f"{subject} is Secure",
            seen="over plain HTTP, browsers would refuse a Secure cookie",
        )
    same_site = cookie.attributes.get("samesite", "")
    yield judged(
        same_site.lower() in {"lax", "strict"},
        id=f"{which}.samesite",
        subject=f"{subject} is SameSite=Lax or Strict",
        seen=visit.shown(f"SameSite={same_site}") if same_site else "no SameSite",
        hint="Remove SESSION_COOKIE_SAMESITE and CSRF_COOKIE_SAMESITE, whose default is 'Lax'.",
    )
    domain = cookie.attributes.get("domain")
    yield judged(
        not domain,
        id=f"{which}.domain",
        subject=f"{subject} stays on its host",
        seen=visit.shown(f"Domain={domain}") if domain else "no Domain",
        hint="Remove SESSION_COOKIE_DOMAIN and CSRF_COOKIE_DOMAIN; if they are not set, look for a "
        "proxy that adds a domain (proxy_cookie_domain in nginx).",
    )
    yield judged(
        cookie.has("httponly") is is_hidden,
        id=f"{which}.httponly",
        subject=f"{subject} is {'' if is_hidden else 'not '}HttpOnly",
        seen=_flag(cookie, "HttpOnly"),
        hint="Remove SESSION_COOKIE_HTTPONLY = False."
        if is_hidden
        else "CSRF_COOKIE_HTTPONLY is off, so something on the way adds the flag: scripts that "
        "read the cookie find no token.",
        otherwise=Level.FAIL if is_hidden else Level.WARN,
    )


def _prefix(cookie: Cookie, *, which: str, subject: str, name: str) -> Finding:
    is_kept = (
        cookie.has("secure")
        and cookie.attributes.get("path") == "/"
        and not cookie.attributes.get("domain")
    )
    is_named = cookie.name.startswith(HOST)
    return judged(
        is_named and is_kept,
        id=f"{which}.prefix",
        subject=f"{subject} can be planted by no subdomain",
        seen=f"a name with {HOST}" + ("" if is_kept else ", so browsers refuse the cookie")
        if is_named
        else f"a name without {HOST}",
        hint=f"It must be Secure, with Path=/ and without Domain, for browsers to take {name}."
        if is_named
        else f"Set SESSION_COOKIE_NAME and CSRF_COOKIE_NAME to names with {HOST}.",
        otherwise=Level.FAIL if is_named else Level.WARN,
    )


def _flag(cookie: Cookie, name: str) -> str:
    return name if cookie.has(name.lower()) else f"no {name}"
