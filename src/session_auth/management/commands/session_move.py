from argparse import ArgumentParser
from time import monotonic
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from session_auth.engines.both import BothRows
from session_auth.management.base import StoreCommand, count
from session_auth.sessions.listing import rows
from session_auth.sessions.pruning import PRUNE_ROWS, paced, prune_expired

PROGRESS_SECONDS = 5


class Command(StoreCommand):
    help = (
        "Move living sessions between the database and Redis, to where SESSION_ENGINE stores new "
        "ones, while the site runs. It can be stopped, and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="say how many would move, and change nothing"
        )
        parser.add_argument(
            "--batch",
            type=count,
            default=PRUNE_ROWS,
            help="sessions per step, 1000 at most (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        both = _rows()
        move, waiting = both.move, both.move.count()
        way = f"from {move.source} to {move.target}"
        if options["dry_run"]:
            self.stdout.write(f"Sessions that would move {way}: {waiting}")
            return
        total, told_at = 0, monotonic()
        for moved in paced(move.run(batch=options["batch"])):
            total += moved
            if monotonic() >= told_at + PROGRESS_SECONDS:
                told_at = monotonic()
                self.stdout.write(f"Sessions moved {way} so far: {total} of {waiting}")
        pruned = prune_expired(both)
        self.stdout.write(f"Sessions moved {way}: {total}. Expired ones deleted: {pruned}")
        self.stdout.write(f"Left in {move.source}: {move.count()}")


def _rows() -> BothRows:
    try:
        found = rows()
    except ImproperlyConfigured as exc:
        raise CommandError(str(exc)) from exc
    if not isinstance(found, BothRows):
        raise CommandError(
            "Nothing moves: set SESSION_ENGINE to 'session_auth.engines.redis_and_database' or "
            "'session_auth.engines.database_and_redis', as docs/redis.md says."
        )
    return found
