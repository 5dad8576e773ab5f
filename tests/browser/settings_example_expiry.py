"""An example with sessions that soon need attention: the client warns a minute ahead."""

from datetime import timedelta

from backend.settings import *  # noqa: F403  # a variant of the example

SESSION_AUTH_IDLE_TIMEOUT = timedelta(seconds=63)
SESSION_AUTH_ABSOLUTE_TIMEOUT = timedelta(seconds=65)
SESSION_AUTH_LAST_SEEN_INTERVAL = timedelta(seconds=1)
SESSION_AUTH_RECENT_LOGIN = timedelta(seconds=2)
