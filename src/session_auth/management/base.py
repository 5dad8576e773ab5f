"""What the commands that ask a store share."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from session_auth.exceptions import StoreUnavailable


class StoreCommand(BaseCommand):
    """A command that says what the store has refused, and exits with 1, without a traceback."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (Error, StoreUnavailable) as error:
            cause = error.__cause__ or error
            raise CommandError(f"The database failed, so run this again: {cause}") from error
