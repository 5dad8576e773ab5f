"""The time at which the tests begin that have a clock of their own."""

from datetime import UTC, datetime

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
