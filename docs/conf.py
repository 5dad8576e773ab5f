"""How Sphinx makes a site of these pages. ``make docs`` calls it, by scripts/build_docs.py."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pygments.lexers.html import HtmlLexer
from pygments.token import Error, Text

ROOT = Path(__file__).resolve().parents[1]

project = "django-session-auth"
author = "The django-session-auth developers"
copyright = author  # noqa: A001 # Sphinx reads this name
[version] = re.findall(r'__version__ = "(.+)"', (ROOT / "src/session_auth/__init__.py").read_text())
release = version

extensions = ["myst_parser"]
myst_heading_anchors = 4  # as a forge makes them, so that links hold in both places
nitpicky = True
templates_path = ["_theme"]

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_theme/static"]
html_favicon = "_theme/static/favicon.svg"
html_css_files = ["site.css"]
html_copy_source = html_show_sphinx = html_show_copyright = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b5d3b",
        "color-brand-content": "#0b6e46",
        "color-code-background": "#f4f6f5",
        "added": "#0b5d3b",
        "removed": "#a3232b",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5fd3a0",
        "color-brand-content": "#6fdcab",
        "added": "#6fdcab",
        "removed": "#ff9ea3",
    },
    "footer_icons": [],
}
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
# Colours in a console's lines are no use where `$ ` does not stand before them.
highlight_language = "text"


class LenientLexer(HtmlLexer):
    """HTML, Svelte and Alpine; what is theirs alone stays without a colour."""

    def get_tokens_unprocessed(self, *given: Any) -> Iterator[tuple[int, Any, str]]:
        for index, token, text in super().get_tokens_unprocessed(*given):
            yield index, Text if token is Error else token, text


def setup(app: Any) -> None:
    app.add_lexer("html", LenientLexer)
    app.add_lexer("svelte", LenientLexer)
