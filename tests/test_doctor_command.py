"""The command, and what it finds in a project and its database."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, Error, Info, Warning, register
from django.core.checks.registry import registry
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings
from django.utils import timezone

from session_auth.doctor.findings import Level
from session_auth.models import EndedSession, GuessCount, Session
from tests.doctor_site import call
from tests.outage import unreachable_database
from tests.test_demo import PRODUCTION as DEMO
from tests.test_demo import manage

DAY = timedelta(days=1)
PRUNING = ["pruning.sessions", "pruning.guesses"]


def run(**options: Any) -> tuple[int, str]:
    """Return the exit status and what was printed."""
    out = StringIO()
    try:
        call_command("session_doctor", stdout=out, **options)
    except CommandError as exc:
        return exc.returncode, out.getvalue()
    return 0, out.getvalue()


def found(*ids: str) -> list[dict[str, str]]:
    """Return the findings, those with these ids if there are any."""
    return [finding for finding in call() if not ids or finding["id"] in ids]


@pytest.fixture
def only() -> Iterator[Any]:
    """Let a test say which checks there are."""

    def replace(*messages: CheckMessage) -> None:
        registry.registered_checks, registry.deployment_checks = set(), set()
        register(lambda app_configs, **kwargs: list(messages))

    before = registry.registered_checks, registry.deployment_checks
    yield replace
    registry.registered_checks, registry.deployment_checks = before


@pytest.mark.django_db
def test_the_checks_of_a_deployment_are_run_and_the_worst_stand_first() -> None:
    findings = found()
    levels = [Level(finding["level"]).severity for finding in findings if "." in finding["id"]]

    assert {"session_auth.E101", "session_auth.W110", "security.W008"} <= {
        finding["id"] for finding in findings
    }
    checks = [severity for severity in levels if severity >= Level.INFO.severity]
    assert checks == sorted(checks, reverse=True)


@pytest.mark.django_db
def test_each_level_of_a_check_has_its_own(only: Any) -> None:
    only(
        Info("known", id="a.I1"),
        Warning("look", hint="so", id="a.W1"),
        Error("wrong", obj=Session, id="a.E1"),
        Error("silenced", id="a.E2"),
    )

    with override_settings(SILENCED_SYSTEM_CHECKS=["a.E2"]):
        findings = found("a.I1", "a.W1", "a.E1", "a.E2", "checks")

    assert [tuple(finding.values()) for finding in findings] == [
        ("a.E1", "fail", f"Settings, {Session}", "wrong", ""),
        ("a.W1", "warn", "Settings", "look", "so"),
        ("a.I1", "info", "Settings", "known", ""),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("messages", "fail_level", "status"),
    [
        ([], "warn", 0),
        ([Info("known", id="a.I1")], "warn", 0),
        ([Warning("look", id="a.W1")], "fail", 0),
        ([Warning("look", id="a.W1")], "warn", 1),
        ([Error("wrong", id="a.E1")], "fail", 1),
        ([Error("wrong", id="a.E1")], "warn", 1),
    ],
)
def test_the_exit_status_says_whether_there_is_something_to_do(
    only: Any, messages: list[CheckMessage], fail_level: str, status: int
) -> None:
    only(*messages)

    assert run(fail_level=fail_level)[0] == status


@pytest.mark.django_db
def test_a_sound_project_is_told_so(only: Any) -> None:
    only()

    status, text = run()

    has_bus = connection.vendor == "postgresql"
    of_the_bus = [
        "PASS  bus               What one process tells of ends of sessions arrives in",
        "                        others: it arrives",
    ]
    assert status == 0
    assert text.splitlines() == [
        "PASS  checks            Settings: all checks pass, those of --deploy too",
        "PASS  migrations        The tables are as this version needs them: all",
        "                        migrations are applied",
        "PASS  guesses           Guesses at passwords can be counted: they can",
        *(of_the_bus if has_bus else []),
        "PASS  pruning.sessions  Sessions that have expired are deleted: 0 expired more",
        "                        than a day ago",
        "PASS  pruning.guesses   Counts of guesses that have expired are deleted: 0",
        "                        expired more than a day ago",
        f"{6 if has_bus else 5} passed.",
    ]
    assert GuessCount.objects.count() == 0


@pytest.mark.django_db
def test_checks_that_crash_are_no_traceback() -> None:
    with override_settings(ROOT_URLCONF="no.such.module"), pytest.raises(CommandError) as caught:
        call_command("session_doctor", stdout=StringIO())

    assert caught.value.returncode == 2
    assert "could not be run: ModuleNotFoundError" in str(caught.value)


def add_session(key: str, *, expires_at: Any) -> None:
    now = timezone.now()
    Session.objects.create(
        id=key, data="{}", created_at=now, last_seen_at=now, expires_at=expires_at
    )


@pytest.mark.django_db
def test_rows_that_nobody_prunes_are_counted() -> None:
    now = timezone.now()
    for number, age in enumerate([-DAY, DAY / 2, DAY * 2, DAY * 3]):
        add_session(str(number), expires_at=now - age)
        GuessCount.objects.create(
            id=str(number),
            failures=1,
            excess=0,
            next_at=0,
            window_ends_at=0,
            expires_at=int((now - age).timestamp()),
        )

    findings = found(*PRUNING)

    assert [(f["level"], f["seen"]) for f in findings] == [
        ("warn", "2 expired more than a day ago")
    ] * 2
    call_command("prune_sessions", stdout=StringIO())
    assert [finding["level"] for finding in found(*PRUNING)] == ["pass"] * 2


@pytest.mark.django_db
def test_records_that_are_kept_too_long_are_counted() -> None:
    now = timezone.now()
    for number, age in enumerate([DAY, DAY * 10, DAY * 12]):
        EndedSession.objects.create(
            session_id=str(number),
            user_id="1",
            reason="logout",
            methods="{}",
            created_at=now,
            last_seen_at=now,
            ended_at=now - age,
        )

    with override_settings(SESSION_AUTH_KEEP_ENDED=DAY * 10):
        [finding] = found("pruning.ended")
    assert found("pruning.ended") == []

    assert finding["level"] == "warn"
    assert finding["seen"] == "1 are a day older than SESSION_AUTH_KEEP_ENDED"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_down_is_a_finding() -> None:
    with unreachable_database():
        findings = found("database", "migrations", "guesses", *PRUNING)

    assert [(finding["id"], finding["level"]) for finding in findings] == [("database", "fail")]


@pytest.mark.django_db
def test_a_migration_that_is_missing_is_a_finding() -> None:
    MigrationRecorder(connection).record_unapplied("session_auth", "0001_initial")

    findings = found("migrations", "guesses", *PRUNING)

    assert [(finding["id"], finding["seen"]) for finding in findings] == [
        ("migrations", "session_auth.0001_initial not applied")
    ]


def test_missing_tables_are_a_finding(tmp_path: Path) -> None:
    before = manage("session_doctor", "--json", folder=tmp_path)
    manage("migrate", folder=tmp_path)
    after = manage("session_doctor", "--json", folder=tmp_path)

    def of_database(text: str) -> list[tuple[str, str]]:
        findings = json.loads(text)["findings"]
        return [
            (f["id"], f["level"]) for f in findings if "_auth" not in f["id"] and "." not in f["id"]
        ]

    assert of_database(before.stdout) == [("migrations", "fail")]
    assert of_database(after.stdout) == [("migrations", "pass"), ("guesses", "pass")]


def test_the_demo_in_production_has_nothing_to_do(tmp_path: Path) -> None:
    manage("migrate", folder=tmp_path, **DEMO)

    result = manage("session_doctor", "--fail-level=warn", folder=tmp_path, **DEMO)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "5 passed."


@pytest.mark.django_db(transaction=True)
def test_guesses_that_cannot_be_written_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    for statement in ("COUNT", "LOCK"):
        monkeypatch.setattr(f"session_auth.guessing.counts.{statement}", "no SQL")

    [finding] = found("guesses")

    assert (finding["level"], finding["seen"]) == ("fail", "StoreUnavailable")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "example.org"}, "must be https:// or http://"),
        ({"url": "ftp://example.org"}, "must be https:// or http://"),
        ({"url": "https://user:secret@example.org"}, "with a host and nothing else"),
        ({"url": "https://example.org/app"}, "the path goes into --base-path"),
        ({"url": "https://example.org?x"}, "with a host and nothing else"),
        ({"url": "https://example.org:port"}, "is not a URL"),
        ({"url": "https://a..example"}, "is not a URL"),
        ({"url": "https://example.org", "base_path": "api"}, "must begin and end with a slash"),
        ({"url": "https://example.org", "timeout": 0}, "--timeout must be above 0"),
        ({"url": "https://example.org", "ca": "/no/such/file"}, "No such file"),
        ({"url": "https://example.org", "ca": __file__}, "(?i)no certificate"),
        ({"url": "https://example.org", "http_url": "x"}, "must be https:// or http://"),
        ({"username": "alice"}, "set SESSION_DOCTOR_PASSWORD"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_is_done(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    with pytest.raises(CommandError, match=message) as caught:
        call_command("session_doctor", stdout=StringIO(), **options)

    assert caught.value.returncode == 2


@override_settings(ROOT_URLCONF="tests.test_checks_origins")
def test_the_base_path_is_asked_for_where_there_is_no_urlconf() -> None:
    with pytest.raises(CommandError, match="give --base-path"):
        call_command("session_doctor", url="https://example.org", stdout=StringIO())


@pytest.mark.django_db
@pytest.mark.parametrize("typed", ["typed", ""])
def test_the_password_is_asked_for_where_somebody_can_answer(
    typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        return typed

    prompts: list[str] = []
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("session_auth.management.commands.session_doctor.getpass", answer)

    status, text = run(username="alice", url="http://stranger.invalid")

    assert prompts == ["Password: "]
    assert status == (1 if typed else 2)
    assert "typed" not in text


def test_the_command_line_has_no_place_for_a_password(tmp_path: Path) -> None:
    result = manage("session_doctor", "--password", "x", folder=tmp_path)

    assert result.returncode == 2
    assert "unrecognized arguments: --password x" in result.stderr
