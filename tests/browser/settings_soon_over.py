"""Sessions that soon need attention: the client warns a minute ahead."""

from datetime import timedelta

# The first warning comes after 5 seconds. If the user stays, the second one comes after 10.
SESSION_AUTH_IDLE_TIMEOUT = timedelta(seconds=65)
SESSION_AUTH_ABSOLUTE_TIMEOUT = timedelta(seconds=70)
SESSION_AUTH_LAST_SEEN_INTERVAL = timedelta(seconds=5)
SESSION_AUTH_RECENT_LOGIN = timedelta(seconds=5)
