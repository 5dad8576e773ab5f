"""Look at the project from inside: its checks, and its database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.apps import apps
from django.core.checks import ERROR, WARNING, CheckMessage, run_checks
from django.db import Error, connections, router, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from session_auth import events
from session_auth.conf import get_conf
from session_auth.doctor.findings import Finding, Level, judged, printable
from session_auth.exceptions import SessionAuthError
from session_auth.guessing import counts
from session_auth.models import EndedSession, GuessCount, Session
from session_auth.sessions import bus
from session_auth.sessions.listing import kept_rows
from session_auth.sessions.rows import Flaw

LATE = timedelta(days=1)
"""Where pruning runs once a day, no row is left that expired longer ago."""

PRUNE_HINT = "Let cron or a timer run 'manage.py prune_sessions' once a day."


def examine_settings() -> Iterator[Finding]:
    """Yield what the system checks report, also those of ``--deploy``, the worst first."""
    messages = [
        message
        for message in run_checks(include_deployment_checks=True)
        if not message.is_silenced()
    ]
    for message in sorted(messages, key=lambda message: (-message.level, str(message.id))):
        yield Finding(
            id=str(message.id),
            level=_level(message),
            subject=f"Settings, {message.obj}" if message.obj else "Settings",
            seen=str(message.msg),
            hint=str(message.hint or ""),
        )
    if not messages:
        yield Finding(
            id="checks",
            level=Level.PASS,
            subject="Settings",
            seen="all checks pass, those of --deploy too",
        )


def examine_database() -> Iterator[Finding]:
    """Yield what is found in the tables. Nothing is changed in them."""
    try:
        missing = sorted({name for place in _places() for name in _missing_migrations(*place)})
    except Error as exc:
        yield Finding(
            id="database",
            level=Level.FAIL,
            subject="The database can be asked",
            seen=type(exc).__name__,
            hint="Is it running, and DATABASES right?",
        )
        return
    yield judged(
        not missing,
        id="migrations",
        subject="The tables are as this version needs them",
        seen=", ".join(missing) + " not applied" if missing else "all migrations are applied",
        hint="Run 'manage.py migrate'.",
    )
    if not missing:
        with _unlogged():
            found = [
                _guesses_can_be_counted(),
                *_store_keeps_sessions(),
                *_ends_are_heard(),
                *_rows_are_pruned(),
            ]
        yield from found


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep what fails out of the log, with its traceback: here it is a finding."""
    was = events.logger.disabled
    events.logger.disabled = True
    try:
        yield
    finally:
        events.logger.disabled = was


def _level(message: CheckMessage) -> Level:
    if message.level >= ERROR:
        return Level.FAIL
    return Level.WARN if message.level >= WARNING else Level.INFO


def _places() -> set[tuple[str, str]]:
    """Return where our tables are: the alias of the database, and the label of the app."""
    models = [Session, EndedSession, GuessCount]
    if apps.is_installed("session_auth.factors"):
        models += apps.get_app_config("session_auth_factors").get_models()
    return {(router.db_for_write(model), model._meta.app_label) for model in models}


def _missing_migrations(alias: str, label: str) -> list[str]:
    executor = MigrationExecutor(connections[alias])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes(label))
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _guesses_can_be_counted() -> Finding:
    """Count one, and roll that back."""
    alias = router.db_for_write(GuessCount)
    limit = counts.Limit(id="session_doctor", free=9, window_seconds=1, kept_seconds=1)
    seen = "they can"
    try:
        with transaction.atomic(using=alias):
            counts.count([limit])
            transaction.set_rollback(True, using=alias)
    except (SessionAuthError, Error) as exc:
        seen = type(exc).__name__
    return judged(
        seen == "they can",
        id="guesses",
        subject="Guesses at passwords can be counted",
        seen=seen,
        hint="Until they can, each login is 503. May the user of the database write? Is this a "
        "replica?",
    )


def _store_keeps_sessions() -> Iterator[Finding]:
    """Ask the engine for what it finds; that of the database does not look."""
    hint = "docs/redis.md says what each means."
    try:
        flaws = kept_rows().flaws()
    except SessionAuthError as exc:
        cause = exc.__cause__ or exc
        flaws = [Flaw(f"{type(cause).__name__}: {printable(str(cause))}", True)]
        hint = (
            "Start the server that SESSION_AUTH_REDIS names, or name the right one: until it "
            "answers, each request with a session is 503."
        )
    if flaws is None:
        return
    yield judged(
        not flaws,
        id="store",
        subject="The store of the sessions keeps them",
        seen=" ".join(flaw.text for flaw in flaws) or "nothing speaks against it",
        hint=hint,
        otherwise=Level.FAIL if any(flaw.is_fatal for flaw in flaws) else Level.WARN,
    )


def _ends_are_heard() -> Iterator[Finding]:
    """Tell something, and see whether it arrives; a store without a bus has nothing to show."""
    rows = kept_rows()
    if not rows.can_listen():
        return
    seen = "it arrives"
    try:
        if not bus.is_carried(rows):
            seen = "it does not arrive"
    except Exception as exc:  # of the driver, whichever that is
        seen = f"{type(exc).__name__}: {printable(str(exc))}"
    yield judged(
        seen == "it arrives",
        id="bus",
        subject="What one process tells of ends of sessions arrives in others",
        seen=seen,
        hint="WebSockets of LiveSessions close some seconds later. If there is a PgBouncer that "
        "pools transactions, set SESSION_AUTH_LISTEN_AT = {'HOST': 'db.internal', 'PORT': '5432'}, "
        "with the address of PostgreSQL itself. The user of a Redis needs SUBSCRIBE, PUBLISH and "
        "the channels '&sa:ended:*'.",
        otherwise=Level.INFO,
    )


def _rows_are_pruned() -> Iterator[Finding]:
    then = timezone.now() - LATE
    sessions = Session.objects.using(router.db_for_write(Session)).filter(expires_at__lt=then)
    guesses = GuessCount.objects.using(router.db_for_write(GuessCount)).filter(
        expires_at__lt=int(then.timestamp())
    )
    yield judged(
        not (count := sessions.count()),
        id="pruning.sessions",
        subject="Sessions that have expired are deleted",
        seen=f"{count} expired more than a day ago",
        hint=PRUNE_HINT,
        otherwise=Level.WARN,
    )
    yield judged(
        not (count := guesses.count()),
        id="pruning.guesses",
        subject="Counts of guesses that have expired are deleted",
        seen=f"{count} expired more than a day ago",
        hint=PRUNE_HINT,
        otherwise=Level.WARN,
    )
    if (kept := get_conf().KEEP_ENDED) is not None:
        ended = EndedSession.objects.using(router.db_for_write(EndedSession))
        yield judged(
            not (count := ended.filter(ended_at__lt=then - kept).count()),
            id="pruning.ended",
            subject="Records of ended sessions are kept no longer than they should be",
            seen=f"{count} are a day older than SESSION_AUTH_KEEP_ENDED",
            hint=PRUNE_HINT,
            otherwise=Level.WARN,
        )
