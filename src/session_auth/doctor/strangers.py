"""What a deployment lets strangers see: other origins, other hosts, plain HTTP, error pages."""

from collections.abc import Iterator

from session_auth.doctor.findings import Finding, Level, judged
from session_auth.doctor.visit import JSON, STRANGER, Visit
from session_auth.doctor.wire import Answer, NoAnswer

DEBUG_PAGE = b"<code>DEBUG = True</code>"
REDIRECTS = range(300, 400)


def debugging(visit: Visit) -> Iterator[Finding]:
    # As a person's browser asks: scripts get no page, whatever DEBUG is.
    page = visit.get("no-such-page-of-session-doctor/", {"Sec-Fetch-Mode": "navigate"})
    yield judged(
        DEBUG_PAGE not in page.body,
        id="debug",
        subject="Error pages show nothing of the code",
        seen=visit.described(page) if DEBUG_PAGE not in page.body else "the page of DEBUG = True",
        hint="Set DEBUG = False.",
    )


def host(visit: Visit) -> Iterator[Finding]:
    answer = visit.get("csrf/", {"Host": "stranger.invalid"})
    yield judged(
        "csrfToken" not in answer.json,
        id="host",
        subject="A request for another host is refused",
        seen=visit.described(answer),
        hint="List the names of the site in ALLOWED_HOSTS, and do not let the proxy replace Host.",
        otherwise=Level.WARN,
    )


def cors(visit: Visit) -> Iterator[Finding]:
    for name, origin in {
        "cors.stranger": STRANGER,
        "cors.null": "null",
        "cors.look-alike": f"{visit.site.scheme}://{visit.site.host}.stranger.invalid",
    }.items():
        yield _cors(visit, name, origin, visit.get("user/", {"Origin": origin}))
    preflight = visit.caller.call(
        "OPTIONS",
        "logout/",
        headers={
            "Origin": STRANGER,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type," + visit.expected.token_header.lower(),
        },
    )
    yield _cors(visit, "cors.preflight", STRANGER, preflight)


def plain_http(visit: Visit) -> Iterator[Finding]:
    name, subject = "http", "Plain HTTP redirects to HTTPS, or answers nothing"
    answer = _over_http(visit, name, subject, "GET", "csrf/")
    if isinstance(answer, Finding):
        yield answer
        return
    leads_to_https = answer.header("Location").startswith("https://")
    is_closed = answer.status >= 400 or (answer.status in REDIRECTS and leads_to_https)
    seen = visit.described(answer) + (", Location https://" if leads_to_https else "")
    yield judged(
        is_closed and not answer.cookies,
        id=name,
        subject=subject,
        seen=seen + (", a cookie" if answer.cookies else ""),
        hint="Redirect to HTTPS or refuse, before Django or with SECURE_SSL_REDIRECT.",
    )


def login_over_http(visit: Visit) -> Iterator[Finding]:
    name, subject = "http.login", "Over plain HTTP, a login is refused and not redirected"
    answer = _over_http(visit, name, subject, "POST", "login/")
    if isinstance(answer, Finding):
        yield answer
        return
    yield judged(
        answer.status not in REDIRECTS,
        id=name,
        subject=subject,
        seen=visit.described(answer),
        hint="Redirect only what people type, and refuse the rest: a client that is set up wrongly "
        "goes on sending passwords in the clear, and nobody notices. SECURE_SSL_REDIRECT does so; "
        "docs/deployment.md has it for nginx.",
        otherwise=Level.WARN,
    )


def _over_http(visit: Visit, name: str, subject: str, method: str, path: str) -> Answer | Finding:
    """Return what plain HTTP answers, or the finding that it does not. No secret is sent."""
    if visit.http is None:
        return Finding(
            id=name,
            level=Level.SKIP,
            subject=subject,
            seen="the port for plain HTTP is not known",
            hint="Give --http-url.",
        )
    try:
        return visit.http.call(method, path, headers={"Content-Type": JSON})
    except NoAnswer as exc:
        return Finding(id=name, level=Level.PASS, subject=subject, seen=str(exc))


def _cors(visit: Visit, name: str, origin: str, answer: Answer) -> Finding:
    allowed = answer.header("Access-Control-Allow-Origin")
    with_credentials = answer.header("Access-Control-Allow-Credentials").lower() == "true"
    seen = f"Access-Control-Allow-Origin: {allowed}" if allowed else "no CORS headers"
    return judged(
        allowed not in {origin, "*"} and not with_credentials,
        id=name,
        subject=f"Pages of {origin} cannot read answers"
        if name != "cors.preflight"
        else f"Pages of {origin} cannot send a token",
        seen=visit.shown(seen + (", with credentials" if with_credentials else "")),
        hint="Send no CORS headers for these paths, or list your own origins one by one.",
        # Without credentials, the page can read only what everybody may see.
        otherwise=Level.FAIL if with_credentials and allowed != "*" else Level.WARN,
    )
