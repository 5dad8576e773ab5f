"""The demo as production serves it: over HTTPS, behind nginx, under WSGI and ASGI."""

from playwright.sync_api import BrowserContext, expect

from tests.browser.pages import Demo
from tests.browser.production_server import ORIGIN, Production


def test_signing_in_writing_an_article_and_signing_out(site: Demo) -> None:
    site.open("/app/")
    site.sign_in()
    site.expect_signed_in()
    site.write("Written over HTTPS")
    site.expect_article("Written over HTTPS")
    site.page.reload()
    site.expect_signed_in()

    site.sign_out()

    site.expect_signed_out()


def test_the_browser_keeps_the_cookies_for_this_host_and_https_alone(
    site: Demo, visitor: BrowserContext
) -> None:
    site.open("/app/")
    site.sign_in()
    site.expect_signed_in()

    cookies = {cookie["name"]: cookie for cookie in visitor.cookies()}
    assert {
        name: (c["domain"], c["path"], c["secure"], c["httpOnly"], c["sameSite"])
        for name, c in cookies.items()
    } == {
        "__Host-sessionid": ("app.example.org", "/", True, True, "Lax"),
        "__Host-sessionid_device": ("app.example.org", "/", True, True, "Lax"),
        "__Host-csrftoken": ("app.example.org", "/", True, False, "Lax"),
    }
    token = cookies["__Host-csrftoken"]["value"]
    assert site.page.evaluate("document.cookie") == f"__Host-csrftoken={token}"


def test_plain_http_leads_to_https(site: Demo, visitor: BrowserContext, production) -> None:
    first = site.page.goto("http://app.example.org/app/?from=mail")
    print(first.url, first.request.redirected_from, first.request.redirected_from.response().status)
    for r in production.requests(): print(r)
    second = site.page.goto("http://app.example.org/app/?from=mail")
    print(second.url, second.request.redirected_from, second.request.redirected_from.response().status, second.request.redirected_from.response().all_headers())
    assert 0
