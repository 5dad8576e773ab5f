from argparse import ArgumentParser
from typing import Any

from session_auth import later
from session_auth.management.base import StoreCommand, count
from session_auth.sessions import prune_sessions
from session_auth.sessions.pruning import PRUNE_ROWS


class Command(StoreCommand):
    help = (
        "Delete sessions that have expired, in small batches, so that no login waits for long, and "
        "send the mails that are left."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--batch", type=count, default=PRUNE_ROWS, help="rows per batch (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        deleted = prune_sessions(batch=options["batch"])
        self.stdout.write(f"Expired sessions deleted: {deleted}")
        sent, failed = later.send_left()
        if sent or failed:
            self.stdout.write(f"Mails sent: {sent}, not sent: {failed}")
