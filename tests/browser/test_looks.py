"""The pages on a phone, in the dark, and for people who see less."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import Demo

ANY_NAME = re.compile(r"\w")
PATHS = ["/", "/articles/", "/mixed/", "/app/", "/sessions/", "/methods/", "/password/"]
WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
TOO_FAINT = """() => {
    // WCAG 2.2, 1.4.3: 4.5 to 1, and 3 to 1 for large text.
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = (color) => {
        const [r, g, b] = channels(color).map((value) => {
            const share = value / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const background = (element) => {
        for (; element; element = element.parentElement) {
            const color = getComputedStyle(element).backgroundColor;
            const [, , , alpha = 1] = channels(color);
            if (alpha === 1) return color;
        }
        return "rgb(255, 255, 255)";
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let seen = 0;
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const text = walker.currentNode.textContent.trim();
        if (!text || !element.checkVisibility({ visibilityProperty: true })) continue;
        seen += 1;
        const style = getComputedStyle(element);
        const [a, b] = [style.color, background(element)].map(luminance).sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        const isLarge = parseFloat(style.fontSize) >= 24;
        if (ratio < (isLarge ? 3 : 4.5)) faint.push([text, ratio]);
    }
    if (seen < 5) faint.push("nothing to see");
    return faint;
}"""


@pytest.fixture(params=["light", "dark"])
def phone(request: pytest.FixtureRequest, new_page: Callable[..., Page], origin: str) -> Demo:
    page = new_page(
        viewport={"width": 320, "height": 640},
        color_scheme=request.param,
        reduced_motion="reduce",
    )
    return Demo(page, origin)


def expect_to_be_readable(page: Page) -> None:
    content, screen = page.evaluate(WIDTHS)
    assert content <= screen
    assert page.evaluate(TOO_FAINT) == []


def test_every_page_fits_a_phone_and_can_be_read(phone: Demo) -> None:
    page = phone.page
    for path in PATHS:
        phone.open(path)
        page.wait_for_load_state("networkidle")
        expect_to_be_readable(page)
    phone.open("/app/")
    phone.write("A title of aVeryLongWordThatFitsNoPhoneBecauseItIsFarTooLongForOne")
    phone.expect_refusal("Log in first.")
    expect_to_be_readable(page)
    phone.sign_in()
    phone.expect_signed_in()
    page.get_by_role("button", name="Publish").click()
    phone.expect_article("A title of aVeryLongWord")
    expect_to_be_readable(page)

    for path in PATHS:
        phone.open(path)
        page.wait_for_load_state("networkidle")
        expect_to_be_readable(page)

    phone.open("/app/")
    phone.expect_signed_in()
    page.get_by_role("button", name="Show").click()
    for opened in page.locator(".log summary").all():
        opened.click()
    phone.sign_out()
    expect(page.locator("#notice")).to_contain_text("You are signed out")
    expect_to_be_readable(page)


@pytest.mark.parametrize("template", ["proof", "expiry"])
def test_the_dialogs_fit_a_phone_and_can_be_read(phone: Demo, template: str) -> None:
    phone.open("/app/")

    phone.page.evaluate(
        """id => {
            const dialog = document.getElementById(id).content.firstElementChild.cloneNode(true);
            document.body.append(dialog);
            dialog.showModal();
        }""",
        template,
    )

    expect(phone.page.get_by_label("Password").last).to_be_visible()
    expect_to_be_readable(phone.page)
    assert phone.page.evaluate("document.querySelector('dialog').getBoundingClientRect().left") > 0


def test_nothing_moves_for_people_who_asked_for_that(
    new_page: Callable[..., Page], origin: str
) -> None:
    page = new_page(reduced_motion="reduce")
    page.goto(origin + "/app/")

    durations = page.evaluate(
        """[...document.querySelectorAll("*")].map(
            (element) => getComputedStyle(element).transitionDuration)"""
    )

    assert set(durations) == {"0s"}


def test_every_field_and_button_has_a_name(demo: Demo) -> None:
    demo.open("/app/")
    demo.sign_in()
    demo.expect_signed_in()
    for path in PATHS:
        demo.open(path)
        demo.page.wait_for_load_state("networkidle")
        controls = demo.page.locator("button, input, textarea, a, summary")
        for control in controls.locator("visible=true").all():
            expect(control).to_have_accessible_name(ANY_NAME)
