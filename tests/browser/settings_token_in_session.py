"""The demo with the CSRF token in the session."""

from tests.browser.settings_quick import *  # noqa: F403

CSRF_USE_SESSIONS = True
