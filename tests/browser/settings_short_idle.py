"""The demo with sessions that end after 65 seconds without a call; their warning comes after 5."""

from datetime import timedelta

from config.settings import *  # noqa: F403  # a variant of the demo

SESSION_AUTH_IDLE_TIMEOUT = timedelta(seconds=65)
SESSION_AUTH_LAST_SEEN_INTERVAL = timedelta(seconds=1)
