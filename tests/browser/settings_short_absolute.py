"""The demo with sessions that last ten seconds, whatever happens; their warning comes at once."""

from datetime import timedelta

from tests.browser.settings_quick import *  # noqa: F403  # a variant of the demo

SESSION_AUTH_ABSOLUTE_TIMEOUT = timedelta(seconds=10)
