"""What a plain ``pytest`` leaves out, and says so; ``make test`` leaves out nothing."""

import gc
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import hypothesis
import pytest
import time_machine
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.db import connection, connections
from django.test import TransactionTestCase

from session_auth import later
from session_auth.engines import notices
from session_auth.models import PendingMail, Session
from session_auth.passwords.mail import NOTICE
from session_auth.sessions import bus
from session_auth.signals import EndReason, session_ended, session_ended_anywhere
from tests import logged
from tests.api_client import PASSWORD, ApiClient
from tests.clock import NOON
from tests.doctor_site import make_certificate
from tests.live import Elsewhere, Server, running
from tests.outage import unreachable_database
from tests.redis_differences import is_different
from tests.settings import REDIS

LEFT_OUT = {
    "upstream": None
    if os.environ.get("DJANGO_TESTS")
    else "DJANGO_TESTS is not set; see CONTRIBUTING.md",
    "custom_user": None
    if settings.AUTH_USER_MODEL == "custom_user.Member"
    else "it has settings of its own; see CONTRIBUTING.md",
    "factors": None
    if apps.is_installed("session_auth.factors")
    else "it has settings of its own; see CONTRIBUTING.md",
    **dict.fromkeys(
        ("test_stores_dead.py", "test_isolation.py", "faults/test_cuts.py"),
        None
        if os.environ.get("TEST_DATABASE", "sqlite") != "sqlite"
        else "it is about servers of databases; see CONTRIBUTING.md",
    ),
    "test_watching_postgresql.py": None
    if os.environ.get("TEST_DATABASE") == "postgresql"
    else "it is about PostgreSQL; see CONTRIBUTING.md",
    "neighbours": None
    if apps.is_installed("django_cas_ng")
    else "it has settings and packages of its own; see CONTRIBUTING.md",
    "graphene": None
    if importlib.util.find_spec("graphene_django")
    else "graphene-django is not installed; see CONTRIBUTING.md",
    **dict.fromkeys(
        ("redis", "histories/test_bus.py", "histories/test_redis.py"),
        None if REDIS else "it needs a server; see CONTRIBUTING.md",
    ),
    "histories/test_databases.py": "it is about the database engine" if REDIS else None,
    "browser": None
    if importlib.util.find_spec("playwright")
    else "Playwright is not installed; see CONTRIBUTING.md",
    "site": None
    if importlib.util.find_spec("furo")
    else "Sphinx and Furo are not installed; see CONTRIBUTING.md",
    "servers": None
    if importlib.util.find_spec("uvicorn")
    else "uvicorn is not installed; see CONTRIBUTING.md",
}

# Modules about documents and measurements: no Python and no Django changes what they find. Those of
# their tests that ask no database run in one environment, by "not once" in tox.ini.
ONCE = (
    *("test_benchmarks", "test_catalogues", "test_compatibility_docs", "test_contributing"),
    *("test_docs", "test_doctor_docs"),
    "test_release",
)
# The doctor looks at a site from outside, over HTTP: which database the site has cannot be seen.
# And the ways through the code are those of SQLite: each other database has its own few steps more.
FROM_OUTSIDE = ("test_doctor_hostile", "test_doctor_login", "test_doctor_probe", "test_journeys")
# About requests, answers and settings. Of a store, these ask what others ask on each kind of it:
# each statement of ours, and each of our lines that talks to a store, is reached by a module that
# is not here. What counts, what compares names, and what happens at once stays on each.
OF_REQUESTS = (
    *("test_answers", "test_caching", "test_checks", "test_checks_djangos", "test_checks_origins"),
    *("test_checks_passwords", "test_checks_stages", "test_checks_values", "test_cookie_header"),
    *("test_csrf", "test_csrf_cookie_in_meta", "test_csrf_headers", "test_csrf_session"),
    *("test_decorators", "test_deployment", "test_docs", "test_events"),
    *("test_formatters", "test_frameworks", "test_inventory_docs", "test_javascript_docs"),
    *("test_languages", "test_login_required_middleware", "test_openapi", "test_origins_docs"),
    *("test_password_validators", "test_plain_http", "test_refusals"),
    *("test_requests_of_other_makes", "test_templatetags"),
)
# And single tests: of some hundred logins, which test_counts and test_throttling count on each kind
# of database; the last one reads the files of the tests.
SINGLE_TESTS = (
    "test_a_thousand_addresses_have_no_more_guesses_at_one_account",
    "test_one_password_cannot_be_tried_at_many_accounts",
    "test_an_address_in_a_header_is_no_address",
    "test_a_stranger_cannot_lock_a_user_out",
    "test_ones_own_logins_give_no_guesses_at_others",
    "test_a_hundred_wrong_codes_in_a_row_are_the_last",
    "test_each_attack_of_the_catalogue_is_a_test_or_has_a_reason",
)

# What a server of a database, or of Redis, may change. There, coverage is measured in these, since
# it doubles the time; the lines of all others are those that run on SQLite.
MEASURED = (
    *("test_adoption", "test_asgi", "test_asgi_application", "test_asgi_streams", "test_async"),
    *("test_counts", "test_ends", "test_guesses_at_once", "test_isolation"),
    *("test_pages_of_sessions", "test_plans", "test_prepared", "test_races", "test_stamps"),
    *("test_stores", "test_stores_dead", "test_watching", "test_watching_postgresql"),
)

MEASURED_FOLDERS = ("faults", "histories", "redis")
IS_OF_A_SERVER = bool(REDIS) or os.environ.get("TEST_DATABASE", "sqlite") != "sqlite"

collect_ignore = [path for path, reason in LEFT_OUT.items() if reason]

hypothesis.settings.register_profile(
    "session_auth",
    deadline=None,  # a busy machine is no failure, nor is Hypothesis's slow start in a fresh clone
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize="CI" in os.environ,  # there, a failure must come from the change under test
    print_blob=True,
)
hypothesis.settings.load_profile("session_auth")


def pytest_report_header(start_path: Path) -> list[str]:
    return [f"left out: tests/{path}, {reason}" for path, reason in LEFT_OUT.items() if reason]


def may_ask_database(item: pytest.Item) -> bool:
    """Say whether a test may send queries; in any other, pytest-django and Django refuse them."""
    case = getattr(item, "cls", None)
    return (
        item.get_closest_marker("django_db") is not None
        or not {"db", "transactional_db"}.isdisjoint(getattr(item, "fixturenames", ()))
        or (case is not None and issubclass(case, TransactionTestCase))
    )


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if may_ask_database(item):
            names = {item.path.stem, item.name.partition("[")[0]}
            if names.isdisjoint(FROM_OUTSIDE + OF_REQUESTS + SINGLE_TESTS):
                item.add_marker("database")
        elif item.path.stem in ONCE:
            item.add_marker("once")
    if REDIS:
        items[:] = [item for item in items if not is_different(item.nodeid)]
        for item in items:
            show_redis_as_a_table(item)


def show_redis_as_a_table(item: pytest.Item) -> None:
    from tests.redis_table import SessionTable  # needs redis-py

    for module in (getattr(item, "module", None), sys.modules.get("tests.faults.doors")):
        if getattr(module, "Session", None) is Session:
            module.Session = SessionTable()  # type: ignore[union-attr] # it is there


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays until the end: the modules and the list of tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    measuring = coverage.Coverage.current()
    is_measured = item.path.stem in MEASURED or item.path.parent.name in MEASURED_FOLDERS
    if measuring is None or is_measured or not IS_OF_A_SERVER:
        return (yield)
    measuring.stop()
    try:  # pragma: no cover # while nothing is measured
        return (yield)
    finally:  # pragma: no cover # while nothing is measured
        measuring.start()


@pytest.fixture(scope="session", autouse=True)
def versions_are_known(request: pytest.FixtureRequest) -> None:
    """Let MariaDB tell its version, which Django's checks ask for in tests that may ask nothing."""
    if connection.vendor == "mysql":  # pragma: no cover # before anything is measured there
        request.getfixturevalue("django_db_setup")
        with request.getfixturevalue("django_db_blocker").unblock():
            for each in connections.all():
                each.mysql_server_data  # type: ignore[attr-defined] # cached  # noqa: B018
                each.close()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Empty the tables after a test in less time than most of the tests take that need it.

    Django works out anew what migrations left in its own tables; here, it is put back. PostgreSQL
    truncates a table of two rows in more time than it deletes them.
    """
    with django_db_blocker.unblock():
        kept: list[tuple[Any, list[Any]]] = [
            (model, list(model._default_manager.all())) for model in (ContentType, Permission)
        ]

    def put_back(verbosity: int, interactive: bool, db: str) -> None:
        for model, rows in kept:
            model._default_manager.using(db).bulk_create(rows)

    def delete(style: object, tables: list[str], **options: object) -> list[str]:
        # Foreign keys are checked at the end of the transaction.
        return [f'DELETE FROM "{table}"' for table in tables]  # noqa: S608 # our own names

    of_django = connection.ops.sql_flush
    with pytest.MonkeyPatch.context() as patches:
        emptied = delete if connection.vendor == "postgresql" else of_django
        patches.setattr(connection.ops, "sql_flush", emptied)
        patches.setattr(flush, "emit_post_migrate_signal", put_back)
        yield


@pytest.fixture(autouse=True)
def no_secret_is_logged() -> Iterator[None]:
    """Fail a test in which any logger told a password, a key or a token."""
    recorder = logged.Recorder()
    logged.secrets.clear()
    logging.getLogger().addHandler(recorder)
    yield
    logging.getLogger().removeHandler(recorder)
    secrets = logged.secrets | {PASSWORD}
    assert [text for text in recorder.texts if any(secret in text for secret in secrets)] == []


@pytest.fixture(autouse=bool(REDIS))
def empty_redis() -> None:
    """Begin without sessions, as the database does."""
    from session_auth.engines.redis.client import store  # needs redis-py

    store().delete(list(store().scan("*")))


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", "alice@example.org", PASSWORD)


@pytest.fixture
def stages(settings: Any) -> None:
    """Let logins have the stages of ``tests.stages``."""
    names = ("SecondFactor", "Terms", "NobodyAtNight")
    settings.SESSION_AUTH_STAGES = [f"tests.stages.{name}" for name in names]


@pytest.fixture
def holder(alice: User) -> User:
    """A user with a PIN."""
    alice.first_name = "pin"
    alice.save()
    return alice


@pytest.fixture
def drf_handler(settings: Any) -> None:
    """Let Django REST framework answer errors by our contract."""
    handler = "session_auth.contrib.rest_framework.exception_handler"
    settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": handler}


@pytest.fixture
def browser() -> ApiClient:
    return ApiClient()


@pytest.fixture
def outage(transactional_db: None) -> Iterator[None]:
    """Make the database one that cannot be reached."""
    with unreachable_database():
        yield


@pytest.fixture
def ends() -> Iterator[list[tuple[str, Any, str]]]:
    """The ends that were signalled: session id, user id, reason."""
    seen: list[tuple[str, Any, str]] = []

    def note(*, session_id: str, user_id: Any, reason: EndReason, **kwargs: object) -> None:
        seen.append((session_id, user_id, str(reason)))

    session_ended.connect(note)
    yield seen
    session_ended.disconnect(note)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An event loop of its own, for ASGI applications."""
    monkeypatch.setattr(notices, "TICK_SECONDS", 0.1)  # or the end of each test takes longer
    with running() as server:
        yield server
    bus.stop()


@pytest.fixture(scope="session")
def other_process(django_db_setup: None) -> Iterator[Elsewhere]:
    elsewhere = Elsewhere()
    yield elsewhere
    elsewhere.end()


@pytest.fixture
def elsewhere(other_process: Elsewhere) -> Iterator[Elsewhere]:
    """Another process of the same site."""
    yield other_process
    other_process.does("connection.close()")


@pytest.fixture
def told() -> Iterator[list[Any]]:
    seen: list[Any] = []

    def note(*, session_id: Any, user_id: Any, reason: EndReason, **kwargs: object) -> None:
        seen.append((session_id, user_id, reason))

    session_ended_anywhere.connect(note)
    yield seen
    session_ended_anywhere.disconnect(note)


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", password=PASSWORD)


@pytest.fixture
def left(alice: User, clock: Any) -> PendingMail:
    """A mail that a process has left behind."""
    mail_id = later.post(NOTICE, user_id=str(alice.pk), to=alice.email, ip="", user_agent="")
    return PendingMail.objects.get(pk=mail_id)


@pytest.fixture
def no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ConnectionRefusedError("The mail server is down.")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", fail)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, its key and its CA in one file."""
    return make_certificate(tmp_path_factory.mktemp("tls"), days=30)
