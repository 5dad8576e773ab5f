"""The demo where whoever enters needs a second factor, and had time enough to set one up."""

from datetime import UTC, datetime
from typing import Any

from tests.browser.settings_quick import *  # noqa: F403  # a variant of the demo

SESSION_AUTH_STAGES = [
    "session_auth.factors.stages.SecondFactor",
    "session_auth.factors.setup_stage.SetUpFactor",
]
SESSION_AUTH_REQUIRE_FACTOR = f"{__name__}.long_ago"


def long_ago(user: Any) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)
