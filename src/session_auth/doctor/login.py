"""Log in and out again, if told to: look at the session cookie, and whether the session ends."""

import json
from collections.abc import Iterator

from session_auth.doctor import set_cookie
from session_auth.doctor.findings import Finding, Level, judged
from session_auth.doctor.visit import Visit, is_refusal
from session_auth.doctor.wire import NoAnswer

SUBJECT = "The user can log in"


def examine_login(visit: Visit, *, username: str, password: str) -> Iterator[Finding]:
    """Yield what is found on the way in and out.

    The password goes over HTTPS, or to this machine, and nowhere else.
    """
    if not (visit.site.is_https or visit.site.is_loopback):
        yield Finding(
            id="login",
            level=Level.SKIP,
            subject=SUBJECT,
            seen="not tried: a password is not sent over plain HTTP",
            hint="Give a URL with https://.",
        )
        return
    visit.secrets.add(password)
    try:
        yield from _in_and_out(visit, username, password)
    except NoAnswer as exc:
        yield Finding(
            id="login",
            level=Level.FAIL,
            subject="The server answers in HTTP",
            seen=str(exc),
            hint="The session may still be open: end it in the list of sessions.",
        )


def _in_and_out(visit: Visit, username: str, password: str) -> Iterator[Finding]:
    anonymous_token = visit.token
    body = json.dumps({"username": username, "password": password}).encode()
    answer = visit.post("login/", body=body)
    visit.take(answer)
    opened = [cookie for cookie in answer.cookies if cookie.name == visit.expected.session_cookie]
    yield judged(
        answer.status == 200 and len(opened) == 1,
        id="login",
        subject=SUBJECT,
        seen=visit.described(answer) + ("" if opened else ", no session cookie"),
        hint="Is the password right, and the name of the session cookie that of these settings? "
        "After 429, wait as long as the server says.",
    )
    if not opened:
        return
    yield from set_cookie.judge(visit, opened[0], which="session-cookie", is_hidden=True)
    try:
        yield from _while_in(visit, anonymous_token)
    finally:
        left = visit.post("logout/")
    yield judged(
        left.status == 200,
        id="logout",
        subject="The user can log out",
        seen=visit.described(left),
        hint="The session may still be open: end it in the list of sessions.",
    )
    # With the cookies of the session, as a thief would have kept them.
    after = visit.get("user/")
    yield judged(
        after.json == {"user": None},
        id="logout.ends",
        subject="After a logout, the cookie opens nothing",
        seen=visit.described(after) if after.json != {"user": None} else "nobody is logged in",
        hint="Look for a cache in front, or another SESSION_ENGINE.",
    )


def _while_in(visit: Visit, anonymous_token: str) -> Iterator[Finding]:
    inside = visit.get("user/")
    is_in = isinstance(inside.json.get("user"), dict)
    yield judged(
        is_in,
        id="login.holds",
        subject="The next request is that of the user",
        seen="it is" if is_in else visit.described(inside),
        hint="Does the proxy pass cookies, and does it keep no answers? Do all processes share "
        "one database?",
    )
    old = visit.post("logout/", {"Origin": "", visit.expected.token_header: anonymous_token})
    yield judged(
        is_refusal(old, 403, "csrf_failed"),
        id="login.new-token",
        subject="A token from before the login is worth nothing",
        seen=visit.described(old),
        hint="Is 'session_auth.middleware.CsrfViewMiddleware' in MIDDLEWARE?",
    )
