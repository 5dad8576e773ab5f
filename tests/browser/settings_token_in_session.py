"""The demo with the CSRF token in the session."""

from config.settings import *  # noqa: F403  # a variant of the demo

CSRF_USE_SESSIONS = True
