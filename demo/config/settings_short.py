"""``make run SHORT=90``: sessions end after 90 seconds without a call, logins are recent for 20.

So the warning before the end, and the question for the password, are to be seen without a wait.
"""

import os
from datetime import timedelta

from config.settings import *  # noqa: F403  # the same project, in a hurry

SESSION_AUTH_IDLE_TIMEOUT = timedelta(seconds=int(os.environ["DEMO_SHORT"]))
SESSION_AUTH_LAST_SEEN_INTERVAL = timedelta(seconds=1)
SESSION_AUTH_RECENT_LOGIN = timedelta(seconds=20)
