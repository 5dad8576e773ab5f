"""The demo with the CSRF token in the session."""

from tests.browser.settings_quick import *  # noqa: F403  # a variant of the demo

CSRF_USE_SESSIONS = True
