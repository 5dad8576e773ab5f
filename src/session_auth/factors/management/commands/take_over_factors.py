from argparse import ArgumentParser
from collections import Counter
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError

from session_auth.factors.takeover import take_over
from session_auth.management.base import StoreCommand

SOURCES = {"allauth.mfa": "from_allauth", "django_otp": "from_otp"}


class Command(StoreCommand):
    help = (
        "Take over the authenticator apps, passkeys and recovery codes of another package, so that "
        "nobody has to set them up again. It can be run again: nothing is taken over twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", choices=SOURCES, help="the app that has them")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done, and store nothing"
        )

    def handle(self, *args: Any, source: str, dry_run: bool, **options: Any) -> None:
        if not apps.is_installed(source):
            raise CommandError(f"{source} is not in INSTALLED_APPS.")
        taken, before = Counter[str](), 0
        for found in import_module(f"session_auth.factors.takeover.{SOURCES[source]}").found():
            result = take_over(found, source=source, dry_run=dry_run)
            taken.update(each.kind for each in result.taken)
            before += len(result.before)
            for each in result.left:
                what = f"{each.kind} of the user {each.user_id} ({each.origin})"
                self.stdout.write(f"Left: {what}: {each.why}.")
        counts = [f"{count} {kind}" for kind, count in sorted(taken.items())]
        verb = "Would take over" if dry_run else "Took over"
        self.stdout.write(f"{verb}: {', '.join(counts) or 'nothing'}. Before: {before}.")
