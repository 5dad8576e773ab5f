from argparse import ArgumentParser
from typing import Any

from session_auth import throttling
from session_auth.management.base import StoreCommand


class Command(StoreCommand):
    help = "Forget the wrong passwords that were counted for accounts or addresses."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "names",
            metavar="NAME",
            nargs="+",
            help="a name that somebody logs in with, an e-mail address, or an IP address",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for name in options["names"]:
            forgotten = throttling.unlock(name)
            message = "Unlocked {}." if forgotten else "Nothing was counted for {}."
            self.stdout.write(message.format(name))
