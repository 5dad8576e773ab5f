"""The demo for scripts/fuzz_api.py, which signs in, and guesses, thousands of times."""

from tests.browser.settings_quick import *  # noqa: F403  # a variant of the demo

SESSION_AUTH_GUESSES_PER_ACCOUNT = SESSION_AUTH_GUESSES_PER_ADDRESS = 1_000_000
