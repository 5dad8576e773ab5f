"""The demo with second factors and passkeys, on http://localhost."""

import os

from tests.browser.settings_quick import *  # noqa: F403  # a variant of the demo
from tests.browser.settings_quick import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "session_auth.factors"]
SESSION_AUTH_STAGES = ["session_auth.factors.stages.SecondFactor"]
SESSION_AUTH_PASSKEY_ORIGINS = [os.environ["DEMO_ORIGIN"].replace("127.0.0.1", "localhost")]
