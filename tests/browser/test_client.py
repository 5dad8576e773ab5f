"""The client in a real browser: cookies, origins, redirects and aborts as browsers have them."""

import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.browser.pages import PASSWORD, Demo

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
ENDPOINTS = (ROOT / "docs" / "endpoints.md").read_text()
SNIPPETS = [
    re.findall(r"```js\n(.*?)```", ENDPOINTS, re.DOTALL)[0],
    re.findall(r"<script type=\"module\">\n(.*?)</script>", README, re.DOTALL)[0]
    .replace("import {", "const {")
    .replace('} from "', '} = await import("')
    .replace('.js";', '.js");')
    .replace('password: "..."', f'password: "{PASSWORD}"'),
]
CREDENTIALS = {"username": "bob", "password": PASSWORD}


@pytest.fixture
def other_origin() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Another origin that lets every caller in by CORS, and the headers that reached it."""
    seen: list[dict[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def answer(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "*")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_OPTIONS = answer  # noqa: N815 # the base calls them by these names

        def log_message(self, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def app(new_page: Callable[..., Page], origin: str) -> Demo:
    """The demo, opened on a page that sets no CSRF cookie; its policy allows other origins here."""
    demo = Demo(new_page(bypass_csp=True), origin)
    demo.open("/")
    return demo


def test_the_first_call_fetches_the_token_by_itself(app: Demo) -> None:
    assert app.page.evaluate("document.cookie") == ""

    user = app.run(
        "async ({ createSessionClient }, credentials) => createSessionClient().login(credentials)",
        CREDENTIALS,
    )

    assert user["username"] == "bob"
    assert "csrftoken=" in app.page.evaluate("document.cookie")


def test_a_login_and_a_logout_change_who_the_user_is(app: Demo) -> None:
    names = app.run(
        """async ({ createSessionClient }, credentials) => {
            const client = createSessionClient();
            const names = [await client.user()];
            await client.login(credentials);
            names.push((await client.user()).username);
            await client.logout();
            await client.logout();
            return [...names, await client.user()];
        }""",
        CREDENTIALS,
    )

    assert names == [None, "bob", None]


def test_a_tab_whose_token_was_renewed_by_another_goes_on(app: Demo) -> None:
    """The token in this tab's page is stale once another tab has logged in."""
    statuses = app.run(
        """async ({ createSessionClient }, credentials) => {
            const [here, there] = [createSessionClient(), createSessionClient()];
            await here.login(credentials);
            await there.login(credentials);
            const article = { title: "From the first tab", body: "Text" };
            return [(await here.json("/api/articles/", { method: "POST", body: article })).author];
        }""",
        CREDENTIALS,
    )

    assert statuses == ["bob"]


def test_a_refused_token_is_renewed_once_and_the_call_repeated(app: Demo) -> None:
    calls: list[str] = []
    app.page.on("request", lambda r: calls.append(f"{r.method} {r.url.removeprefix(app.origin)}"))
    user = app.run(
        """async ({ createSessionClient }, credentials) => {
            // What this page has read is not what the browser sends, as after a login elsewhere.
            const token = "b".repeat(32);
            Object.defineProperty(document, "cookie", { get: () => `csrftoken=${token}` });
            return createSessionClient().login(credentials);
        }""",
        CREDENTIALS,
    )

    assert user["username"] == "bob"
    assert [call for call in calls if "/api/" in call] == [
        "POST /api/auth/login/",
        "GET /api/auth/csrf/",
        "POST /api/auth/login/",
        "GET /api/auth/user/",  # since the page does not see the cookie change
    ]


def test_a_call_that_is_always_refused_is_repeated_once_only(app: Demo) -> None:
    attempts: list[str] = []

    def refuse(route: Route) -> None:
        attempts.append(route.request.headers["x-csrftoken"])
        route.fulfill(status=403, json={"error": "CSRF check failed.", "code": "csrf_failed"})

    app.page.route("**/api/articles/", refuse)

    status = app.run(
        """async ({ createSessionClient }) =>
            (await createSessionClient().fetch("/api/articles/", { method: "POST" })).status"""
    )

    assert status == 403
    assert len(attempts) == 2


def test_no_token_reaches_another_origin(
    app: Demo, other_origin: tuple[str, list[dict[str, str]]]
) -> None:
    other, seen = other_origin

    app.run(
        r"""async ({ createSessionClient }, [other, own]) => {
            const client = createSessionClient();
            await client.fetch("/api/auth/csrf/");
            for (const input of [
                `${other}/`,
                new URL(other),
                new Request(`${other}/`, { method: "POST" }),
                other.replace("http:", ""),
                other.replace("http:", "").replaceAll("/", "\\"),
                ` \t${other}/`,
                `${other}/?${own}`,
                `${other}/#${own}`,
            ]) await client.fetch(input, { method: "POST" });
            const disguised = other.replace("//", `//${new URL(own).host}@`);
            await client.fetch(disguised, { method: "POST" }).catch(() => {});
        }""",
        [other, app.origin],
    )

    assert len(seen) == 8
    assert not [headers for headers in seen if "x-csrftoken" in headers or "cookie" in headers]


def test_a_redirect_takes_no_token_to_another_origin(
    app: Demo, other_origin: tuple[str, list[dict[str, str]]]
) -> None:
    other, seen = other_origin
    app.page.route(
        "**/api/moved/", lambda route: route.fulfill(status=307, headers={"Location": other + "/"})
    )

    error = app.run(
        """async ({ createSessionClient }) => {
            const client = createSessionClient();
            await client.fetch("/api/auth/csrf/");
            return client.fetch("/api/moved/", { method: "POST" }).catch(String);
        }"""
    )

    assert "TypeError" in error
    assert seen == []


@pytest.mark.parametrize(
    "markup",
    [
        '<base href="https://elsewhere.example/">',
        '<img name="cookie"><img name="baseURI"><form id="csrfToken"><input name="cookie"></form>',
    ],
    ids=["base", "clobbered names"],
)
def test_markup_of_a_user_leads_no_call_astray(app: Demo, markup: str) -> None:
    app.page.evaluate("markup => document.body.insertAdjacentHTML('beforeend', markup)", markup)

    user = app.run(
        """async ({ createSessionClient }, credentials) => {
            const client = createSessionClient();
            await client.login(credentials);
            await client.logout();
            return client.login(credentials);
        }""",
        CREDENTIALS,
    )

    assert user["username"] == "bob"


def test_a_file_is_sent_again_whole(app: Demo) -> None:
    sent: list[bytes] = []

    def refuse(route: Route) -> None:
        sent.append(route.request.post_data_buffer or b"")
        route.fulfill(status=403, json={"error": "CSRF check failed.", "code": "csrf_failed"})

    app.page.route("**/api/files/", refuse)

    app.run(
        """async ({ createSessionClient }) => {
            const body = new FormData();
            body.append("file", new File(["x".repeat(200_000)], "notes.txt"));
            await createSessionClient().fetch("/api/files/", { method: "POST", body });
        }"""
    )

    first, second = sent
    assert len(first) > 200_000
    assert first == second


def test_errors_are_of_one_type_with_status_code_and_fields(app: Demo) -> None:
    errors = app.run(
        """async ({ createSessionClient, SessionAuthError }, credentials) => {
            const client = createSessionClient();
            const article = { method: "POST", body: { title: "", body: "", more: 1 } };
            const calls = [
                () => client.login({ ...credentials, password: "wrong" }),
                () => client.json("/api/articles/", article),
                () => client.login(credentials).then(() => client.json("/api/articles/", article)),
                () => client.json("/api/nothing-here/"),
            ];
            const errors = [];
            for (const call of calls) {
                const error = await call().catch((reason) => reason);
                const { status, code, fields } = error;
                errors.push([error instanceof SessionAuthError, status, code, fields]);
            }
            return errors;
        }""",
        CREDENTIALS,
    )

    assert errors == [
        [True, 401, "invalid_credentials", None],
        [True, 401, "not_authenticated", None],
        [True, 400, "invalid_request", {"more": ["Unknown field."]}],
        [True, 404, "not_found", None],
    ]


def test_a_server_that_cannot_be_reached_is_an_error_of_its_own(app: Demo) -> None:
    app.page.route("**/api/auth/user/", lambda route: route.abort())

    error = app.run(
        """async ({ createSessionClient }) => {
            const error = await createSessionClient().user().catch((reason) => reason);
            return [error.name, error.status, error.code, error.message];
        }"""
    )

    assert error == [
        "SessionAuthError",
        0,
        "network_error",
        "The server could not be reached.",
    ]


def test_a_mistake_of_the_caller_is_one_as_with_fetch(app: Demo) -> None:
    names = app.run(
        """async ({ createSessionClient }) => {
            const client = createSessionClient();
            const names = [];
            for (const [url, options] of [
                ["http://:::"],
                ["/api/articles/", { body: {} }],
                ["/api/articles/", { headers: { "a b": "x" } }],
            ]) names.push(await client.json(url, options).catch((reason) => reason.name));
            return names;
        }"""
    )

    assert names == ["TypeError"] * 3


@pytest.mark.parametrize("lost", ["the session cookie", "all cookies"])
def test_a_login_whose_cookie_the_browser_drops_says_so(app: Demo, lost: str) -> None:
    kept = "csrftoken" if lost == "the session cookie" else "no such name"

    def drop(route: Route) -> None:
        response = route.fetch()  # which sets cookies itself
        for cookie in app.page.context.cookies():
            if cookie["name"] != kept:
                app.page.context.clear_cookies(name=cookie["name"])
        names = response.headers.keys() - {"set-cookie"}
        route.fulfill(response=response, headers={name: response.headers[name] for name in names})

    app.page.route("**/api/auth/*/", drop)

    refusal = app.run(
        """async ({ createSessionClient }, credentials) => {
            const client = createSessionClient();
            client.subscribe(() => {});
            const error = await client.login(credentials).catch((reason) => reason);
            client.close();
            return [error.code, client.getSnapshot().status];
        }""",
        CREDENTIALS,
    )

    assert refusal == ["cookie_not_kept", "anonymous"]


def test_a_state_that_nobody_can_tell_has_an_error_until_it_is_known(app: Demo) -> None:
    app.page.route("**/api/auth/user/", lambda route: route.abort(), times=1)

    states = app.run(
        """async ({ createSessionClient }) => {
            const client = createSessionClient();
            const states = [];
            await new Promise((resolve) => client.subscribe(() => {
                const { status, error } = client.getSnapshot();
                states.push([status, error?.code]);
                if (status === "anonymous") resolve();
            }));
            return states;
        }"""
    )

    assert states == [["loading", "network_error"], ["anonymous", None]]


def test_a_call_can_be_aborted(app: Demo) -> None:
    names = app.run(
        """async ({ createSessionClient }) => {
            const client = createSessionClient();
            const names = [];
            for (const call of [client.fetch, client.json]) {
                const aborter = new AbortController();
                const answer = call("/api/articles/", { method: "POST", signal: aborter.signal });
                aborter.abort();
                names.push(await answer.catch((reason) => reason.name));
            }
            return names;
        }"""
    )

    assert names == ["AbortError", "AbortError"]


def test_a_call_can_be_aborted_while_it_waits_for_the_token(app: Demo) -> None:
    app.page.route("**/api/auth/csrf/", lambda route: None)  # no answer ever comes

    name = app.run(
        """async ({ createSessionClient }) => {
            const signal = AbortSignal.timeout(100);
            const call = createSessionClient().fetch("/api/articles/", { method: "POST", signal });
            const late = new Promise((resolve) => setTimeout(resolve, 3000, "still waiting"));
            return Promise.race([call.catch((reason) => reason.name), late]);
        }"""
    )

    assert name == "TimeoutError"


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["plain fetch", "the client"])
def test_the_first_examples_work(demo: Demo, snippet: str) -> None:
    demo.open("/articles/")
    demo.sign_in()
    demo.expect_signed_in()
    before = demo.page.get_by_role("article").count()

    demo.page.evaluate(f"(async () => {{ {snippet} }})()")

    demo.page.reload()
    assert demo.page.get_by_role("article").count() == before + 1
    demo.expect_article("Hello")
