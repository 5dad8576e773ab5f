"""Each event as a line of JSON for a SIEM, by OCSF and by ECS."""

import json
import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from session_auth.events import LEVELS, Event
from session_auth.formatters import KINDS, ECSFormatter, OCSFFormatter
from tests.api_client import ApiClient

CALL = {"method": "POST", "path": "/api/auth/login/", "ip": "203.0.113.7"}
CATEGORIES = {
    "authentication": {"start", "end", "info"},
    "database": {"access", "change", "info", "error"},
    "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
    "session": {"start", "end", "info"},
    "web": {"access", "error", "info"},
}
"""The types that ECS expects of each category."""


def record_of(event: Event, **fields: object) -> logging.LogRecord:
    level = LEVELS.get(event, logging.INFO)
    record = logging.LogRecord("session_auth.security", level, "", 1, "%s", (event,), None)
    vars(record).update({"event": str(event)} | fields)
    record.created = datetime(2026, 11, 27, 8, 15, 30, 500_000, UTC).timestamp()
    return record


def ocsf(record: logging.LogRecord) -> Any:
    return json.loads(OCSFFormatter().format(record))


def ecs(record: logging.LogRecord) -> Any:
    return json.loads(ECSFormatter().format(record))


def test_each_event_is_of_a_kind() -> None:
    assert set(KINDS) == set(Event)


def test_a_login_in_ocsf() -> None:
    more = {"session_id": "s", "proof": "password", "backend": None}
    line = ocsf(record_of(Event.LOGIN, user_id=7, **CALL, **more))

    version = line["metadata"]["product"].pop("version")
    assert version
    assert line == {
        "activity_id": 1,
        "category_uid": 3,
        "class_uid": 3002,
        "type_uid": 300201,
        "time": 1795767330500,
        "severity_id": 1,
        "status_id": 1,
        "message": "login",
        "metadata": {
            "version": "1.8.0",
            "event_code": "login",
            "log_name": "session_auth.security",
            "product": {"name": "django-session-auth"},
        },
        "user": {"uid": "7"},
        "src_endpoint": {"ip": "203.0.113.7"},
        "http_request": {"http_method": "POST", "url": {"path": "/api/auth/login/"}},
        "service": {"name": "django-session-auth"},
        "session": {"uid": "s"},
        "unmapped": {"proof": "password"},
    }


def test_a_wrong_password_of_nobody_in_ocsf() -> None:
    line = ocsf(record_of(Event.LOGIN_FAILED, **CALL))

    assert (line["status_id"], line["severity_id"]) == (2, 3)
    assert line["user"] == {"name": "unknown", "type_id": 0}


def test_what_is_no_login_and_no_change_is_a_base_event() -> None:
    line = ocsf(record_of(Event.FORBIDDEN, code="permission_denied", user_id=7, **CALL))

    assert (line["class_uid"], line["type_uid"], line["activity_name"]) == (0, 99, "forbidden")
    assert line["status_detail"] == "permission_denied"
    assert line["unmapped"] == {**CALL, "user_id": 7}


def test_a_failed_login_in_ecs() -> None:
    record = record_of(Event.STAGE_FAILED, user_id=7, code="throttled", stage="x", **CALL)

    assert ecs(record) == {
        "@timestamp": "2026-11-27T08:15:30.500000+00:00",
        "ecs.version": "9.2.0",
        "log.level": "warning",
        "log.logger": "session_auth.security",
        "message": "stage_failed",
        "event.kind": "event",
        "event.category": ["authentication"],
        "event.type": ["start"],
        "event.outcome": "failure",
        "event.provider": "django-session-auth",
        "event.action": "stage_failed",
        "event.code": "throttled",
        "user.id": "7",
        "source.ip": "203.0.113.7",
        "http.request.method": "POST",
        "url.path": "/api/auth/login/",
        "labels": {"stage": "x"},
    }


@pytest.mark.parametrize("event", Event)
def test_ecs_knows_the_category_and_the_type(event: Event) -> None:
    line = ecs(record_of(event))

    [category], [kind] = line["event.category"], line["event.type"]
    assert kind in CATEGORIES[category]


def test_an_exception_is_told() -> None:
    record = record_of(Event.STORE_UNAVAILABLE, store="sessions")
    try:
        raise ConnectionError("gone")
    except ConnectionError as error:
        record.exc_info = (ConnectionError, error, None)

    assert "ConnectionError: gone" in ocsf(record)["unmapped"]["exception"]
    assert ocsf(record)["severity_id"] == 4
    assert "ConnectionError: gone" in ecs(record)["error.stack_trace"]


def test_a_record_of_another_log_is_an_event_of_no_kind() -> None:
    record = logging.makeLogRecord(
        {"name": "django.request", "msg": "Odd", "levelno": logging.INFO}
    )

    assert (ocsf(record)["class_uid"], ocsf(record)["status_id"]) == (0, 0)
    assert ecs(record)["event.outcome"] == "unknown"


@pytest.mark.parametrize(
    ("formatter", "key"), [(OCSFFormatter, "user"), (ECSFormatter, "url.path")]
)
@pytest.mark.django_db
def test_the_settings_of_a_project(
    alice: User, tmp_path: Path, formatter: type[logging.Formatter], key: str
) -> None:
    file = tmp_path / "security.log"
    handler = logging.FileHandler(file)
    handler.setFormatter(formatter())
    logger = logging.getLogger("session_auth.security")
    logger.addHandler(handler)
    ApiClient().log_in()
    ApiClient().log_in(password="wrong")
    logger.removeHandler(handler)
    handler.close()

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 2
    assert all(key in line for line in lines)


def test_the_lines_of_the_docs_are_those_that_are_written() -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "logging.md"
    shown = re.findall(r"^```json\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    session_id, backend = "2jmj7l5rSw0yVb_vlWAYkK_YBwkZ9A0b8Yz6fQdVxGM", "session_auth.backends"
    more = {"session_id": session_id, "proof": "password", "backend": f"{backend}.ModelBackend"}
    written = [
        ocsf(record_of(Event.LOGIN, user_id=7, **CALL, **more)),
        ecs(record_of(Event.LOGIN_FAILED, user_id=7, **CALL)),
    ]

    assert [json.loads(each) for each in shown] == [
        {name: each for name, each in line.items() if name != "message"} for line in written
    ]
