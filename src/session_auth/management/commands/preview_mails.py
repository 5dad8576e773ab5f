from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation

from session_auth import mails


class Command(BaseCommand):
    help = "Show each mail that is sent to users, as your templates and the catalogues have it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--language", help="such as de (default: LANGUAGE_CODE)")
        parser.add_argument(
            "--to", metavar="FOLDER", type=Path, help="write text and HTML there, for a browser"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override(options["language"] or translation.get_language()):
            found = mails.preview()
        folder: Path | None = options["to"]
        for name, message in found.items():
            text = f"Subject: {message.subject}\n\n{message.body}"
            if folder is None:
                self.stdout.write(f"--- {name}\n{text}")
                continue
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.txt").write_text(text, encoding="utf-8")
            html = str(message.alternatives[0][0])
            (folder / f"{name}.html").write_text(html, encoding="utf-8")
        if folder is not None:
            self.stdout.write(f"Wrote {len(found)} mails to {folder}.")
