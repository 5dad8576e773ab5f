"""What the commands that ask a store share."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from session_auth.exceptions import StoreUnavailable


def count(text: str) -> int:
    """Return the number above 0 that an argument of a command is."""
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("it must be 1 or more")
    return number


class StoreCommand(BaseCommand):
    """A command that says what the store has refused, and exits with 1, without a traceback.

    Nor does it show one if somebody stops it by Ctrl-C. Each can be run again.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (Error, StoreUnavailable) as error:
            cause = error.__cause__ or error
            raise CommandError(f"The store failed, so run this again: {cause}") from error
        except KeyboardInterrupt as stop:
            text = "Stopped. What was done is done; run this again for the rest."
            raise CommandError(text, returncode=130) from stop
