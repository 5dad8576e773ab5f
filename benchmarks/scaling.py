#!/usr/bin/env python3
"""What a session takes of a server: bytes, and the CPU time of a look-up and of each write.

    python scripts/with_redis.py server python benchmarks/scaling.py
    python scripts/with_database.py postgresql python benchmarks/scaling.py

The CPU time is the server's own, from the kernel, so another load on the machine changes it little.
The sessions are as a login leaves them. docs/scaling.md has what was measured.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"

import django

django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from benchmarks.tables import new_parser, publish
from session_auth.keys import digest, new_session_key, tag_for
from session_auth.models import Session
from session_auth.sessions.values import Record

SESSIONS_A_USER = 2
ASKED = 3000
USER_AGENT = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
DATA = (
    '{"_auth_user_id": "%d", "_auth_user_backend": "session_auth.backends.ModelBackend", '
    f'"_auth_user_hash": "{"0123456789abcdef" * 4}"}}'
)
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    what: str
    value: float
    unit: str


def records(count: int, new_key: Callable[[int], str]) -> Iterator[Record]:
    now = timezone.now()
    for number in range(count):
        user_id = number // SESSIONS_A_USER + 1
        yield Record(
            id=digest(new_key(user_id)),
            user_id=user_id,
            data=DATA % user_id,
            version=0,
            created_at=now,
            authenticated_at=now,
            methods=f'{{"password": "{now.isoformat()}"}}',
            last_seen_at=now,
            expires_at=now + timedelta(days=14),
            ip="192.0.2.123",
            user_agent=USER_AGENT,
            passive_seen_at=None,
        )


def cpu_seconds(*pids: int) -> float:
    spent = 0
    for pid in pids:
        with suppress(FileNotFoundError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent += int(fields[11]) + int(fields[12])
    return spent / TICKS_A_SECOND


def cpu_us(call: Callable[[Record], object], those: list[Record], *pids: int) -> float:
    """Return the CPU time of these processes for each call, in microseconds."""
    before = cpu_seconds(*pids)
    for record in those:
        call(record)
    return (cpu_seconds(*pids) - before) * 1e6 / len(those)


def later(record: Record, minutes: int) -> Record:
    return record._replace(
        last_seen_at=record.last_seen_at + timedelta(minutes=minutes),
        expires_at=record.expires_at + timedelta(minutes=minutes),
    )


def measure_redis(count: int) -> list[Result]:
    from session_auth.engines.redis import places  # needs redis-py
    from session_auth.engines.redis.client import store
    from session_auth.engines.redis.rows import RedisRows

    rows, client = RedisRows(), store().client
    client.flushall()
    facts = client.info()
    pid, empty = facts["process_id"], facts["used_memory"]
    those = list(records(count, lambda user_id: new_session_key(tag_for(user_id))))
    login = cpu_us(lambda record: places.add(record, at_most=1000), those, pid)
    filled = client.info("memory")
    sample = those[:: max(1, count // 1000)]
    hashes = [client.memory_usage(places.key(record.id[:3], record.id)) for record in sample]
    indexes = [client.memory_usage(places.index(each.id[:3], each.user_id)) for each in sample]
    ask = those[:ASKED]
    return [
        Result(what="sessions", value=count, unit=""),
        Result(
            what="memory", value=(filled["used_memory"] - empty) / count, unit="bytes a session"
        ),
        Result(what="its hash", value=sum(hashes) / len(hashes), unit="bytes"),
        Result(what="index of a user", value=sum(indexes) / len(indexes), unit="bytes"),
        Result(what="login", value=login, unit="µs of CPU"),
        Result(
            what="look-up",
            value=cpu_us(lambda each: places.rows([each.id]), ask, pid),
            unit="µs of CPU",
        ),
        Result(
            what="the minute's write",
            value=cpu_us(
                lambda each: rows.mark_seen(later(each, 1), since=each.last_seen_at), ask, pid
            ),
            unit="µs of CPU",
        ),
        Result(
            what="save",
            value=cpu_us(
                lambda each: rows.compare_and_set(each._replace(version=1), version=0), ask, pid
            ),
            unit="µs of CPU",
        ),
    ]


def ask_postgresql(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def size() -> tuple[int, int]:
    table = Session._meta.db_table
    return (
        ask_postgresql(f"SELECT pg_table_size('{table}')"),
        ask_postgresql(f"SELECT pg_indexes_size('{table}')"),
    )


def wal() -> int:
    return int(ask_postgresql("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))


def measure_postgresql(count: int) -> list[Result]:
    from session_auth.engines.database import SessionStore

    rows = SessionStore.rows
    call_command("migrate", verbosity=0)
    those = list(records(count, lambda user_id: new_session_key()))
    for start in range(0, count, 5000):
        Session.objects.bulk_create(
            Session(**each._asdict()) for each in those[start : start + 5000]
        )
    table, indexes = size()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    pid, ask = int(ask_postgresql("SELECT pg_backend_pid()")), those[:ASKED]
    look_up = cpu_us(lambda each: rows.read(each.id), ask, pid)
    before = wal()
    mark = cpu_us(lambda each: rows.mark_seen(later(each, 1), since=each.last_seen_at), ask, pid)
    written = (wal() - before) / len(ask)
    before = wal()
    save = cpu_us(lambda each: rows.compare_and_set(each._replace(version=1), version=0), ask, pid)
    saved = (wal() - before) / len(ask)
    # A fifth at a time is written between two vacuums, as autovacuum does by its defaults.
    for turn in range(50):
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {Session._meta.db_table} SET last_seen_at = last_seen_at "  # noqa: S608 # numbers
                "+ interval '1 minute', expires_at = expires_at + interval '1 minute' "
                f"WHERE abs(hashtext(id)) % 5 = {turn % 5}"
            )
            cursor.execute("VACUUM")
    worn_table, worn_indexes = size()
    return [
        Result(what="sessions", value=count, unit=""),
        Result(what="table", value=table / count, unit="bytes a row"),
        Result(what="its indexes", value=indexes / count, unit="bytes a row"),
        Result(what="table after ten writes each", value=worn_table / count, unit="bytes a row"),
        Result(what="its indexes then", value=worn_indexes / count, unit="bytes a row"),
        Result(what="look-up", value=look_up, unit="µs of CPU"),
        Result(what="the minute's write", value=mark, unit="µs of CPU"),
        Result(what="the minute's write, log", value=written, unit="bytes of WAL"),
        Result(what="save", value=save, unit="µs of CPU"),
        Result(what="save, log", value=saved, unit="bytes of WAL"),
    ]


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    options = parser.parse_args()
    if os.environ.get("TEST_REDIS"):
        settings.SESSION_AUTH_REDIS = f"redis://{os.environ['TEST_REDIS_NODES']}"
        title, results = "Redis", measure_redis(options.sessions)
    else:
        title, results = connection.vendor, measure_postgresql(options.sessions)
    publish(f"What a session takes: {title}", results, file=options.json)


if __name__ == "__main__":
    main()
