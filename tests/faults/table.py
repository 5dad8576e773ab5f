"""What goes wrong with a store, and what is answered then: the other half of the table of faults.

An engine on another store has faults of its own to add, of a ``vendor`` of its own; its doors are
the same.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.faults import databases, slow
from tests.outage import unreachable_database


@dataclass(frozen=True, kw_only=True)
class Fault:
    name: str
    provoke: Callable[[], AbstractContextManager[object]]
    vendors: frozenset[str] = frozenset({"postgresql", "mysql", "sqlite"})
    reads: bool = True
    """Whether what only reads is served."""

    writes: bool = False
    """Whether what writes is done. If not, it is refused, and nothing has changed."""

    in_transaction: bool = True
    """Whether that is so in a transaction, too; else either may be."""

    certain: bool = True
    """Whether it is known which; else either may be, and has to be true."""

    slow: bool = False
    """Whether it takes long: ``make faults`` alone tries it."""

    in_each_way: bool = False
    """Whether ``make test`` tries it in each ``Way``, too, as ``make faults`` tries all."""


POSTGRESQL = frozenset({"postgresql"})
SERVERS = frozenset({"postgresql", "mysql"})

FAULTS = [
    Fault(name="unreachable", provoke=unreachable_database, reads=False, in_each_way=True),
    Fault(name="crashed", provoke=slow.crash, vendors=POSTGRESQL, certain=False, slow=True),
    Fault(
        name="connection cut", provoke=databases.cut, vendors=SERVERS, writes=True, in_each_way=True
    ),
    Fault(name="pool exhausted", provoke=databases.pool_exhausted, vendors=POSTGRESQL, reads=False),
    Fault(name="read-only", provoke=databases.read_only, in_each_way=True),
    Fault(name="disk full", provoke=databases.disk_full),
    Fault(
        name="out of memory",
        provoke=lambda: databases.refused_writes(sqlstate="53200", code=1037),
        vendors=SERVERS,
        slow=True,
    ),
    Fault(
        name="an error that nobody knows",
        provoke=lambda: databases.refused_writes(sqlstate="XX000", code=1815),
        vendors=SERVERS,
    ),
    Fault(
        name="a conflict or two",
        provoke=lambda: databases.refused_writes(sqlstate="40001", code=1213, times=2),
        vendors=SERVERS,
        writes=True,
        in_transaction=False,
    ),
    Fault(
        name="conflicts without end",
        provoke=lambda: databases.refused_writes(sqlstate="40P01", code=1213),
        vendors=SERVERS,
        slow=True,
    ),
    Fault(
        name="locked for a moment",
        provoke=lambda: databases.impatient(0.2),
        writes=True,
        in_transaction=False,
    ),
    Fault(name="locked for long", provoke=lambda: databases.impatient(None), slow=True),
    Fault(name="statement timeout", provoke=databases.statement_timeout, vendors=SERVERS),
]
FAULTS += [
    Fault(
        name=name, provoke=provoke, vendors=POSTGRESQL, reads=is_served, writes=is_served, slow=True
    )
    for name, provoke, is_served in (
        ("behind PgBouncer", slow.pgbouncer, True),
        ("cut behind PgBouncer", slow.cut_behind_pgbouncer, True),
        ("no server behind PgBouncer", slow.no_server_behind_pgbouncer, False),
    )
    if slow.PGBOUNCER
]
