from typing import Any

from django.core.management.base import CommandError

from session_auth import later
from session_auth.management.base import StoreCommand


class Command(StoreCommand):
    help = (
        "Send the mails that are left: their process was killed, or the mail server was away. "
        "Without this command, each process still sends its own mails."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        sent, failed = later.send_left()
        self.stdout.write(f"Mails sent: {sent}")
        if failed:
            raise CommandError(f"Mails that could not be sent: {failed}; the log says why.")
