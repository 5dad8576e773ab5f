"""Look at a deployment from outside, through the proxies and caches in front of it.

Nothing is changed there: each request is that of an anonymous visitor, and nothing is stored.
"""

from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from types import MappingProxyType

from session_auth.doctor import set_cookie, strangers
from session_auth.doctor.findings import Finding, Level, judged
from session_auth.doctor.visit import STRANGER, Expected, Visit, is_refusal
from session_auth.doctor.wire import Answer, Caller, NoAnswer, Trouble

FORM = "application/x-www-form-urlencoded"
HSTS_SECONDS = 365 * 24 * 60 * 60
CERTIFICATE_SECONDS = 14 * 24 * 60 * 60
SKEW_WARN_SECONDS = 10
SKEW_FAIL_SECONDS = 300


def arrive(caller: Caller, *, expected: Expected, http: Caller | None) -> Visit | Finding:
    """Return a visit to the site of ``caller``, or the reason why there can be none."""
    try:
        first = caller.call("GET", "csrf/")
    except NoAnswer as exc:
        return _unreached(str(exc), HINTS[exc.trouble])
    visit = Visit(caller=caller, expected=expected, http=http, first=first)
    visit.take(first)
    if first.status == 200 and visit.token:
        return visit
    if first.status in strangers.REDIRECTS:
        where = visit.shown(_without_query(first.header("Location")))
        return _unreached(f"{first.status} to {where}", "Give the URL that it leads to.")
    return _unreached(
        visit.described(first), "Is the URLconf of session_auth at --base-path, and served here?"
    )


def examine(visit: Visit) -> Iterator[Finding]:
    """Yield what is found at a site."""
    yield Finding(
        id="reach",
        level=Level.PASS,
        subject="GET csrf/ gives a token",
        seen=visit.described(visit.first),
    )
    for name, probe in PROBES.items():
        try:
            yield from probe(visit)
        except NoAnswer as exc:
            yield Finding(
                id=name,
                level=Level.FAIL,
                subject="The server answers in HTTP",
                seen=str(exc),
                hint="It answered before: look at the logs of the server and the proxy.",
            )


def transport(visit: Visit) -> Iterator[Finding]:
    first = visit.first
    if not visit.site.is_https:
        yield Finding(
            id="tls",
            level=Level.INFO if visit.site.is_loopback else Level.FAIL,
            subject="The site is served over HTTPS",
            seen="plain HTTP",
            hint="Whoever can read the traffic can read passwords and cookies.",
        )
        return
    days = (first.certificate_ends_at - first.answered_at) / 86400
    yield judged(
        first.certificate_ends_at - first.answered_at > CERTIFICATE_SECONDS,
        id="tls",
        subject="The certificate is valid, and will be for some time",
        seen=f"{first.tls_version}, for {days:.0f} days",
        hint="Renew it, and see why that did not happen by itself.",
        otherwise=Level.WARN,
    )


def clock(visit: Visit) -> Iterator[Finding]:
    skew = _skew_seconds(visit.first)
    subject = "The clocks here and there agree"
    if skew is None:
        yield Finding(
            id="clock",
            level=Level.WARN,
            subject=subject,
            seen="no Date that can be read",
            hint="A server must send one (RFC 9110, 6.6.1); caches and timeouts depend on it.",
        )
        return
    yield judged(
        abs(skew) <= SKEW_WARN_SECONDS,
        id="clock",
        subject=subject,
        seen=f"{abs(skew):.0f} seconds {'behind' if skew < 0 else 'ahead'}" if skew else "they do",
        hint="Let NTP set the clocks of all servers; sessions end, and links expire, by them.",
        otherwise=Level.WARN if abs(skew) <= SKEW_FAIL_SECONDS else Level.FAIL,
    )


def csrf_cookie(visit: Visit) -> Iterator[Finding]:
    expected = visit.expected
    found = [cookie for cookie in visit.first.cookies if cookie.name == expected.csrf_cookie]
    others = ", ".join(cookie.name for cookie in visit.first.cookies) or "no cookie"
    yield judged(
        len(found) == 1,
        id="csrf-cookie",
        subject=f"GET csrf/ sets the cookie {expected.csrf_cookie}, once",
        seen=visit.shown(others),
        hint="Are these the settings of that deployment? Does something on the way drop or rename "
        "cookies?",
    )
    for cookie in found[:1]:
        # A hidden cookie is no fault if the settings hide it: scripts get the token from csrf/.
        yield from set_cookie.judge(
            visit, cookie, which="csrf-cookie", is_hidden=expected.csrf_cookie_is_hidden
        )


def headers(visit: Visit) -> Iterator[Finding]:
    answer = visit.get("user/")
    cache = {part.strip() for part in answer.header("Cache-Control").lower().split(",")}
    vary = {part.strip() for part in answer.header("Vary").lower().split(",")}
    yield judged(
        answer.status == 200 and answer.json == {"user": None},
        id="anonymous",
        subject="GET user/ says that nobody is logged in",
        seen=visit.described(answer),
        hint="If somebody is, an answer to another visitor was kept: look for a cache.",
    )
    yield judged(
        "no-store" in cache,
        id="no-store",
        subject="No cache keeps answers",
        seen=_header(visit, answer, "Cache-Control"),
        hint="Look for what replaces the header that Django sends.",
    )
    yield judged(
        bool(vary & {"cookie", "*"}),
        id="vary",
        subject="Caches tell visitors apart",
        seen=_header(visit, answer, "Vary"),
        hint="Let the proxy add to Vary instead of replacing it.",
    )
    yield judged(
        answer.header("X-Content-Type-Options").lower() == "nosniff",
        id="nosniff",
        subject="Browsers guess no type",
        seen=_header(visit, answer, "X-Content-Type-Options"),
        hint="Look for what removes the header, or adds a second one.",
    )
    yield judged(
        answer.header("Cross-Origin-Resource-Policy").lower() == "same-origin",
        id="corp",
        subject="No other site can embed answers",
        seen=_header(visit, answer, "Cross-Origin-Resource-Policy"),
        hint="Look for what removes or replaces the header.",
    )
    yield _hsts(visit, answer)


def csrf(visit: Visit) -> Iterator[Finding]:
    own, header = visit.site.origin, visit.expected.token_header
    refused = {
        "csrf.no-token": ("without a token", visit.post("logout/", {"Origin": "", header: ""})),
        "csrf.wrong-token": (
            "with the token of another visitor",
            visit.post("logout/", {"Origin": "", header: "x" * 64}),
        ),
        "csrf.foreign-origin": ("from another origin", visit.post("logout/", {"Origin": STRANGER})),
        "csrf.null-origin": (
            "from a hidden origin",
            visit.post("logout/", {"Origin": "null"}),
        ),
        "csrf.cross-site": (
            "that the browser says is cross-site",
            visit.post("logout/", {"Origin": "", "Sec-Fetch-Site": "cross-site"}),
        ),
    }
    for name, (what, answer) in refused.items():
        yield judged(
            is_refusal(answer, 403, "csrf_failed"),
            id=name,
            subject=f"A request {what} is refused",
            seen=visit.described(answer),
            hint="It must be 403 csrf_failed. Does the proxy drop or set Origin, Referer or "
            "Sec-Fetch-Site? Is CSRF_TRUSTED_ORIGINS too wide? Does it replace error pages?",
        )
    answer = visit.post("logout/")
    said = answer.json.get("hint", answer.json.get("error"))
    yield judged(
        answer.status == 200 and "message" in answer.json,
        id="csrf.accepted",
        subject="A request from the site's own pages is accepted",
        seen=visit.described(answer) + (f": {visit.shown(said)}" if isinstance(said, str) else ""),
        hint=f"Django must see the origin {own}: let the proxy pass Host, and set "
        "SECURE_PROXY_SSL_HEADER, or let the server set the scheme.",
    )


def contract(visit: Visit) -> Iterator[Finding]:
    form = visit.post("logout/", content_type=FORM, body=b"a=b")
    yield judged(
        is_refusal(form, 415, "unsupported_media_type"),
        id="form",
        subject="A form, which any site can send, is refused",
        seen=visit.described(form),
        hint="It must be 415 unsupported_media_type.",
    )
    wrong = visit.get("logout/")
    yield judged(
        is_refusal(wrong, 405, "method_not_allowed") and "POST" in wrong.header("Allow"),
        id="method",
        subject="A link logs nobody out: GET is refused",
        seen=f"{visit.described(wrong)}, {_header(visit, wrong, 'Allow')}",
        hint="It must be 405 method_not_allowed with Allow. Does the proxy change methods?",
    )
    twice = "; ".join([f"{visit.expected.csrf_cookie}=x"] * 2)
    planted = visit.get("user/", {"Cookie": twice})
    yield judged(
        is_refusal(planted, 400, "invalid_request"),
        id="cookie-twice",
        subject="A request that has a cookie twice is refused",
        seen=visit.described(planted),
        hint="Is 'session_auth.middleware.SessionMiddleware' in MIDDLEWARE? Does the proxy rewrite "
        "the Cookie header?",
    )
    embedded = visit.get("user/", {"Sec-Fetch-Dest": "script", "Sec-Fetch-Site": "cross-site"})
    yield judged(
        is_refusal(embedded, 403, "csrf_failed"),
        id="embedded",
        subject="Other sites cannot load answers as scripts",
        seen=visit.described(embedded),
        hint="Does the proxy drop Sec-Fetch-Dest and Sec-Fetch-Site?",
    )
    anonymous = visit.get("sessions/")
    # If the token is in the session, the logout above has ended the session.
    is_refused = any(
        is_refusal(anonymous, 401, code) for code in ("not_authenticated", "session_ended")
    )
    yield judged(
        is_refused and bool(anonymous.header("WWW-Authenticate")),
        id="errors",
        subject="Refusals arrive as JSON",
        seen=f"{visit.described(anonymous)}, {_header(visit, anonymous, 'WWW-Authenticate')}",
        hint="It must be 401 not_authenticated with a challenge. Does the proxy replace error "
        "pages (proxy_intercept_errors in nginx)?",
    )


PROBES: Mapping[str, Callable[[Visit], Iterator[Finding]]] = MappingProxyType(
    {
        "tls": transport,
        "clock": clock,
        "csrf-cookie": csrf_cookie,
        "headers": headers,
        "csrf": csrf,
        "contract": contract,
        "debug": strangers.debugging,
        "host": strangers.host,
        "cors": strangers.cors,
        "http": strangers.plain_http,
        "http.login": strangers.login_over_http,
    }
)
HINTS = {
    Trouble.UNREACHABLE: "Is the server running, and its port open from here?",
    Trouble.UNTRUSTED: "Nothing was sent. Install the certificate with its chain, for this very "
    "name; for a CA of your own, give --ca FILE.",
    Trouble.SLOW: "Is it overloaded, or does a firewall drop the packets? --timeout lets it take "
    "longer.",
    Trouble.NOT_HTTP: "Is it the right port, and http or https as it should be?",
}


def _unreached(seen: str, hint: str) -> Finding:
    return Finding(
        id="reach", level=Level.FAIL, subject="GET csrf/ gives a token", seen=seen, hint=hint
    )


def _without_query(location: str) -> str:
    return location.partition("?")[0].partition("#")[0]


def _header(visit: Visit, answer: Answer, name: str) -> str:
    value = answer.header(name)
    return visit.shown(f"{name}: {value}") if value else f"no {name}"


def _skew_seconds(answer: Answer) -> float | None:
    """Return by how many seconds the server's clock is surely ahead, or behind if negative.

    A Date has whole seconds, and the answer has taken time to come.
    """
    try:
        there = parsedate_to_datetime(answer.header("Date")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    earliest, latest = answer.asked_at - 1, answer.answered_at
    return min(0.0, there - earliest) or max(0.0, there - latest)


def _hsts(visit: Visit, answer: Answer) -> Finding:
    subject = "Browsers remember to use HTTPS"
    if not visit.site.is_https:
        return Finding(
            id="hsts", level=Level.SKIP, subject=subject, seen="over plain HTTP it means nothing"
        )
    text = answer.header("Strict-Transport-Security")
    ages = [part.strip()[8:].strip('"') for part in text.lower().split(";") if "max-age=" in part]
    seconds = int(ages[0]) if len(ages) == 1 and ages[0].isdecimal() and len(ages[0]) < 12 else 0
    return judged(
        seconds >= HSTS_SECONDS,
        id="hsts",
        subject=subject,
        seen=_header(visit, answer, "Strict-Transport-Security"),
        hint=f"Set SECURE_HSTS_SECONDS = {HSTS_SECONDS}, and let Django see that it is HTTPS.",
        otherwise=Level.WARN if seconds else Level.FAIL,
    )
