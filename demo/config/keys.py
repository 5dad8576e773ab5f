"""The keys of authenticator apps, which are in no repository and in no database."""

import os
from base64 import urlsafe_b64encode
from contextlib import suppress
from pathlib import Path


def keys_beside(database: str | Path) -> list[str]:
    """Return the key in the file beside the database, which is made at the first start."""
    path = Path(f"{database}.key")
    if not path.exists():
        # Whole or not at all: two processes may start at once.
        new = path.with_suffix(f".{os.getpid()}")
        new.touch(mode=0o600)
        new.write_bytes(urlsafe_b64encode(os.urandom(32)))
        with suppress(FileExistsError):
            path.hardlink_to(new)
        new.unlink()
    return [path.read_text()]
