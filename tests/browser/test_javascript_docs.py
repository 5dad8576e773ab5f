"""The snippets of docs/javascript.md, run in a page of the demo."""

import re
from pathlib import Path

import pytest
from django.template import Context, Template
from playwright.sync_api import expect

from tests.browser.pages import PASSWORD, Demo

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
    assert statuses[-4:] == [403, 200, 201, 200]


def test_the_client_signs_in_and_writes(visited: Demo) -> None:
    [snippet] = snippets("With the client")
    loaded = snippet.replace("import {", "const {").replace(
        'from "django-session-auth"', '= await import("/static/session_auth/session-auth.js")'
    )

    visited.page.evaluate(f"(async () => {{ {loaded} }})()")

    assert "With the client" in visited.page.evaluate(TITLES)


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
