"""The demo with a CSRF cookie that scripts cannot read."""

from tests.browser.settings_quick import *  # noqa: F403

CSRF_COOKIE_HTTPONLY = True
