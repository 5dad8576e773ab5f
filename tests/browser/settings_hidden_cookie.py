"""The demo with a CSRF cookie that scripts cannot read."""

from tests.browser.settings_quick import *  # noqa: F403  # a variant of the demo

CSRF_COOKIE_HTTPONLY = True
