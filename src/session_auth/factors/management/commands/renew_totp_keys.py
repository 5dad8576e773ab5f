from typing import Any

from session_auth.factors import encryption, rows
from session_auth.management.base import StoreCommand


class Command(StoreCommand):
    help = (
        "Encrypt the secrets of authenticator apps, and recovery codes that were taken over, anew: "
        "with the first of SESSION_AUTH_TOTP_KEYS. "
        "The other keys can go after that."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        renewed = sum(rows.replace_material(each, encryption.renew) for each in rows.encrypted())
        self.stdout.write(f"Encrypted {renewed} secrets anew.")
