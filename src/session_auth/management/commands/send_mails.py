from typing import Any

from django.core.management.base import BaseCommand, CommandError

from session_auth import later


class Command(BaseCommand):
    help = (
        "Send the mails that wait: of processes that were killed, or while the mail server was "
        "away. Processes send their own mails without it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        sent, failed = later.send_left()
        self.stdout.write(f"Sent {sent} mails.")
        if failed:
            raise CommandError(f"{failed} mails could not be sent; the log says why.")
