"""The demo with logins that soon stop being recent."""

from datetime import timedelta

from tests.browser.settings_quick import *  # noqa: F403  # a variant of the demo

SESSION_AUTH_RECENT_LOGIN = timedelta(seconds=3)
