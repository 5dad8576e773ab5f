from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from session_auth import throttling
from session_auth.management.base import StoreCommand
from session_auth.sessions import end_all_sessions, end_sessions
from session_auth.signals import EndReason


class Command(StoreCommand):
    help = "End the sessions of one user, or of everybody."

    def add_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--user", metavar="NAME", help="the name that the user logs in with")
        whose.add_argument("--all", action="store_true", help="end everybody's sessions")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["all"]:
            ended = end_all_sessions()
        else:
            users = get_user_model()._default_manager
            user = users.filter(**{users.model.USERNAME_FIELD: options["user"]}).first()
            if user is None:
                raise CommandError(f"There is no user named {options['user']!r}.")
            ended = end_sessions(user, reason=EndReason.ENDED_BY_ADMIN)
            throttling.throw_out_devices(user)
        self.stdout.write(f"Sessions ended: {ended}")
