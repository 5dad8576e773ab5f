"""The snippets of docs/javascript.md, run in a page of the demo."""

import re
from pathlib import Path

import pytest
from django.template import Context, Template
from playwright.sync_api import WebSocketRoute, expect

from tests.browser.pages import PASSWORD, Demo, wait_until

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "javascript.md").read_text()
TITLES = """async () => {
    const { articles } = await (await fetch("/api/articles/")).json();
    return articles.map(({ title }) => title);
}"""


def snippets(heading: str, language: str = "js") -> list[str]:
    [section] = re.findall(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE
    )
    found = re.findall(rf"^```{language}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return [code.replace('password: "..."', f'password: "{PASSWORD}"') for code in found]


PLAIN = "\n".join(snippets("Without the client"))


@pytest.fixture
def visited(demo: Demo) -> Demo:
    """The demo, opened on a page that sets no CSRF cookie."""
    demo.open("/")
    assert demo.page.evaluate("document.cookie") == ""
    return demo


def test_plain_fetch_signs_in_writes_and_signs_out(visited: Demo) -> None:
    visited.page.evaluate(f"(async () => {{ {PLAIN} }})()")

    assert "By alice" in visited.page.evaluate(TITLES)
    user = visited.page.evaluate("fetch('/api/auth/user/').then((answer) => answer.json())")
    assert user == {"user": None}


def test_plain_fetch_gets_over_an_old_token(visited: Demo) -> None:
    statuses: list[int] = []
    visited.page.on("response", lambda response: statuses.append(response.status))

    article = visited.page.evaluate(
        f"""(async () => {{
            {PLAIN}
            await post("/api/auth/login/", {{ username: "alice", password: "{PASSWORD}" }});
            const token = "b".repeat(32);
            Object.defineProperty(document, "cookie", {{ get: () => `csrftoken=${{token}}` }});
            return postAnyhow("/api/articles/", {{ title: "Anyhow", body: "Text" }});
        }})()"""
    )

    assert article["title"] == "Anyhow"
    assert visited.page.evaluate(TITLES).count("Anyhow") == 1
    wait_until(visited.page, lambda: statuses[-4:] == [403, 200, 201, 200])


def test_the_client_signs_in_and_writes(visited: Demo) -> None:
    [snippet] = snippets("With the client")
    loaded = snippet.replace("import {", "const {").replace(
        'from "django-session-auth"', '= await import("/static/session_auth/session-auth.js")'
    )

    visited.page.evaluate(f"(async () => {{ {loaded} }})()")

    assert "With the client" in visited.page.evaluate(TITLES)


def snippet_with(text: str, heading: str) -> str:
    [code] = [code for code in snippets(heading) if text in code]
    return code.replace("export ", "")


def start_client(demo: Demo) -> None:
    demo.run("({ createSessionClient }) => { window.client = createSessionClient(); }")


def log_in(demo: Demo, username: str) -> None:
    demo.page.evaluate(
        "(credentials) => client.login(credentials)", {"username": username, "password": PASSWORD}
    )


def test_an_upload_by_xhr_sends_what_the_client_sends_and_tells_its_progress(
    visited: Demo,
) -> None:
    start_client(visited)
    log_in(visited, "alice")
    # The demo takes no files: by its answer it has let the call in, and read what was sent.
    code = snippet_with("XMLHttpRequest", "axios").replace("/api/files/", "/api/articles/")
    upload = f"""async () => {{
        {code}
        const progress = [];
        const file = new Blob(["x".repeat(300_000)]);
        const answer = await uploadAlone(file, (part) => progress.push(part)).catch(String);
        return [answer, progress.at(-1), client.getSnapshot().status];
    }}"""

    refused, progress, status = visited.page.evaluate(upload)
    assert (progress, status) == (1, "authenticated")
    assert refused == "Error: The request could not be read."

    visited.page.context.clear_cookies(name="sessionid")
    refused, _, status = visited.page.evaluate(upload)
    assert (refused, status) == ("Error: Log in first.", "anonymous")

    visited.page.route("**/api/articles/", lambda route: route.fulfill(status=201, json={"id": 7}))
    answer, *_ = visited.page.evaluate(upload)
    assert answer == {"id": 7}


def test_a_socket_is_closed_when_the_user_changes_and_one_for_the_next_is_opened(
    visited: Demo,
) -> None:
    log: list[str] = []

    def connected(socket: WebSocketRoute) -> None:
        log.append(f"open {socket.url.partition('/ws/')[2]}")
        socket.on_close(lambda *_: log.append("close"))

    visited.page.route_web_socket("**", connected)
    visited.open("/")
    start_client(visited)
    visited.page.evaluate(f"() => {{ {snippet_with('new WebSocket', 'Another user now')} }}")
    assert log == []

    log_in(visited, "alice")
    wait_until(visited.page, lambda: log == ["open chat/"])
    log_in(visited, "bob")
    wait_until(visited.page, lambda: log == ["open chat/", "close", "open chat/"])
    visited.page.evaluate("client.logout()")
    wait_until(visited.page, lambda: log == ["open chat/", "close", "open chat/", "close"])


def test_a_page_of_django_with_a_form_says_what_is_wrong_and_then_writes(visited: Demo) -> None:
    [snippet] = snippets("Pages that Django renders", "html")
    tag = "{% load session_auth static %}{% session_auth_client %}"
    html = Template(f"<!doctype html><title>Page</title>{tag}{snippet}").render(Context({}))
    visited.page.route("**/page/", lambda route: route.fulfill(body=html, content_type="text/html"))
    visited.open("/page/")
    visited.write("From a template")
    expect(visited.page.get_by_role("alert")).to_contain_text("Log in first.")
    visited.run(
        "({ createSessionClient }, credentials) => createSessionClient().login(credentials)",
        {"username": "alice", "password": PASSWORD},
    )

    visited.write("From a template")

    expect(visited.page.get_by_label("Title")).to_have_value("")
    expect(visited.page.get_by_role("alert")).to_have_text("")
    assert "From a template" in visited.page.evaluate(TITLES)
