from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from session_auth.factors.removal import remove_all
from session_auth.management.base import StoreCommand


class Command(StoreCommand):
    help = "Remove all factors of a user who has lost them, and end their sessions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="NAME", help="the name that the user logs in with")
        parser.add_argument("--reason", required=True, help="why, for the log")

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model()._default_manager
        user = users.filter(**{users.model.USERNAME_FIELD: options["user"]}).first()
        if user is None:
            raise CommandError(f"There is no user named {options['user']!r}.")
        removed = remove_all(user, reason=options["reason"])
        self.stdout.write(f"Removed {removed} factors, and ended all sessions.")
