"""What can happen to servers of Redis or Valkey while clients work: ``make faults`` runs all.

Each fault is a function of the servers that returns once all is well again. It returns a ``Loss``
if the servers may lack, after it, what they have acknowledged.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

from redis.exceptions import RedisError
from with_redis import HOST, IN_MEMORY, PRIMARY, Node, Servers, is_linked, wait_until

from tests.histories.history import Loss, now

QUIET_SECONDS = 1.5
"""Before and after a fault, so that the history has calm in it."""

LAG_SECONDS = 1.0
"""How far behind a replica may be at a fail-over; on one machine it is far less."""

TO_DISK = {"save": "", "appendonly": "yes", "appendfsync": "everysec"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    kind: str
    happens: Callable[[Servers], Loss | None]
    options: Mapping[str, str | int] = field(default_factory=lambda: IN_MEMORY)
    disk_megabytes: int = 0
    """The size of a disk of its own, if it needs one: only root can make it."""

    is_quick: bool = False
    setting: dict[str, int] = field(default_factory=dict)
    """What ``SESSION_AUTH_REDIS`` has beyond the addresses."""


def nothing(servers: Servers) -> None:
    time.sleep(QUIET_SECONDS)


def primaries(servers: Servers) -> list[Node]:
    return [node for node in servers.data if role_of(node) == "master"]


def role_of(node: Node) -> str:
    with suppress(RedisError):
        return str(node.call("ROLE", seconds=0.2)[0])
    return ""


def fullest(servers: Servers) -> Node:
    return max(primaries(servers), key=lambda node: int(node.call("DBSIZE")))


def wait_for_new_primary(servers: Servers, *, but: Node, count: int) -> None:
    others = [node for node in servers.data if node is not but]
    wait_until(lambda _: sum(role_of(node) == "master" for node in others) == count, others[0])


def is_settled(servers: Servers, count: int) -> bool:
    """Say whether there are so many primaries, and each other server follows one."""
    others = [node for node in servers.data if role_of(node) != "master"]
    return len(servers.data) - len(others) == count and all(
        role_of(node) == "slave" and is_linked(node) for node in others
    )


def wait_for_replicas(servers: Servers) -> None:
    for node in servers.data:
        if role_of(node) == "slave":
            wait_until(is_linked, node)


def lost_since(start: float, name: str, *, back_to: float | None = None) -> Loss:
    back_to = start - LAG_SECONDS if back_to is None else back_to
    return Loss(name=name, start=start, end=now(), back_to=back_to)


def primary_killed(servers: Servers) -> Loss:
    time.sleep(QUIET_SECONDS)
    victim, count, start = fullest(servers), len(primaries(servers)), now()
    victim.kill()
    wait_for_new_primary(servers, but=victim, count=count)
    time.sleep(QUIET_SECONDS)
    victim.start()
    wait_until(lambda _: is_settled(servers, count), victim)
    time.sleep(QUIET_SECONDS)
    return lost_since(start, "primary killed")


def primary_stopped(servers: Servers) -> Loss:
    """Cut a primary off, and let it come back when another has taken its place."""
    time.sleep(QUIET_SECONDS)
    victim, count, start = fullest(servers), len(primaries(servers)), now()
    victim.signal(signal.SIGSTOP)
    wait_for_new_primary(servers, but=victim, count=count)
    time.sleep(QUIET_SECONDS)
    victim.signal(signal.SIGCONT)
    wait_until(lambda _: is_settled(servers, count), victim)
    time.sleep(QUIET_SECONDS)
    return lost_since(start, "primary stopped")


def primary_lost_before_it_told(servers: Servers) -> Loss:
    """Stop replication for a while, then kill the primary: what it acknowledged is really lost."""
    time.sleep(QUIET_SECONDS)
    victim, count, start = fullest(servers), len(primaries(servers)), now()
    for node in servers.data:
        if role_of(node) == "slave":
            node.signal(signal.SIGSTOP)
    victim.call("CLIENT", "KILL", "TYPE", "replica")  # or what it has sent waits to be read
    time.sleep(0.7)  # less than they may be silent
    victim.kill()
    for node in servers.data:
        if node is not victim:
            node.signal(signal.SIGCONT)
    wait_for_new_primary(servers, but=victim, count=count)
    time.sleep(QUIET_SECONDS)
    victim.start()
    wait_until(lambda _: is_settled(servers, count), victim)
    time.sleep(QUIET_SECONDS)
    return lost_since(start, "primary lost before it told")


def waited_for(kind: str, happens: Callable[[Servers], Loss | None]) -> Fault:
    """Return a fault that loses no session which was opened, since replicas are waited for."""

    def happens_to_saves(servers: Servers) -> Loss | None:
        loss = happens(servers)
        return loss and replace(loss, of_saves_alone=True)

    return Fault(kind=kind, happens=happens_to_saves, setting={"wait_replicas": 1})


def failed_over_in_order(servers: Servers) -> None:
    """Swap a primary of a Cluster with its replica, which loses nothing."""
    count = len(primaries(servers))
    for _ in range(3):
        time.sleep(0.7)
        replica = next(node for node in servers.data if role_of(node) == "slave")
        replica.call("CLUSTER", "FAILOVER")
        wait_until(lambda node: role_of(node) == "master", replica)
        wait_until(lambda _: len(primaries(servers)) == count, replica)
        wait_for_replicas(servers)
    time.sleep(QUIET_SECONDS)


def sentinels_told_to_fail_over(servers: Servers) -> Loss:
    time.sleep(QUIET_SECONDS)
    [before], start = primaries(servers), now()
    servers.sentinels[0].call("SENTINEL", "FAILOVER", PRIMARY)
    wait_for_new_primary(servers, but=before, count=1)
    wait_until(lambda _: is_settled(servers, 1), before)
    time.sleep(QUIET_SECONDS)
    return lost_since(start, "Sentinels told to fail over")


def slots_migrated(servers: Servers) -> None:
    """Move slots that hold sessions, key by key, so that clients meet ASK, TRYAGAIN and MOVED."""
    until = now() + 4 * QUIET_SECONDS
    while now() < until:
        source = fullest(servers)
        target = next(node for node in primaries(servers) if node is not source)
        for slot in {int(source.call("CLUSTER", "KEYSLOT", key)) for key in some_keys(source)}:
            migrate(slot, source, target)


def some_keys(node: Node) -> list[str]:
    _, keys = node.call("SCAN", 0, "COUNT", 20)
    return [str(key) for key in keys]


def migrate(slot: int, source: Node, target: Node) -> None:
    source_id, target_id = (str(node.call("CLUSTER", "MYID")) for node in (source, target))
    target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    while keys := source.call("CLUSTER", "GETKEYSINSLOT", slot, 2):
        source.call("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *keys)
        time.sleep(0.02)
    for node in (target, source):
        node.call("CLUSTER", "SETSLOT", slot, "NODE", target_id)


def again_and_again(*command: str | int) -> Callable[[Servers], None]:
    def happens(servers: Servers) -> None:
        until = now() + 2 * QUIET_SECONDS
        while now() < until:
            for node in primaries(servers):
                node.call(*command)
            time.sleep(0.05)

    return happens


def slow(*command: str | int) -> Callable[[Servers], None]:
    """Let a server answer late, later than clients wait, and then go on."""

    def happens(servers: Servers) -> None:
        for _ in range(2):
            time.sleep(QUIET_SECONDS)
            with suppress(RedisError):
                fullest(servers).call(*command, seconds=0.1)
            time.sleep(3)

    return happens


def memory_full(servers: Servers) -> None:
    node = fullest(servers)
    time.sleep(QUIET_SECONDS)
    node.call("CONFIG", "SET", "maxmemory", "1mb")
    time.sleep(QUIET_SECONDS)
    node.call("CONFIG", "SET", "maxmemory", "0")
    time.sleep(QUIET_SECONDS)


def disk_full(servers: Servers) -> None:
    """Fill the disk of the file that it appends to, then make room again."""
    [node] = servers.data
    time.sleep(QUIET_SECONDS)
    filler = node.folder.parent / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    time.sleep(4)
    filler.unlink()
    time.sleep(3)


def restarted(servers: Servers) -> Loss:
    """Kill the only server, which starts again with the file that it appends to."""
    [node] = servers.data
    time.sleep(QUIET_SECONDS)
    start = now()
    node.kill()
    time.sleep(0.3)
    node.start()
    time.sleep(QUIET_SECONDS)
    # It writes to the disk once a second.
    return lost_since(start, "restarted", back_to=start - 2)


def store_lost(servers: Servers) -> Loss:
    time.sleep(QUIET_SECONDS)
    start = now()
    for node in primaries(servers):
        node.call("FLUSHALL")
    return lost_since(start, "store lost", back_to=-inf)


def yesterday_restored(servers: Servers, meanwhile: Callable[[], None] = lambda: None) -> Loss:
    """Put back what it had; ``meanwhile`` is called while it is down."""
    [node] = servers.data
    time.sleep(QUIET_SECONDS)
    back_to = now()
    node.call("SAVE")
    snapshot = shutil.copy(node.folder / "dump.rdb", node.folder / "yesterday")
    time.sleep(2 * QUIET_SECONDS)
    start = now()
    node.kill()
    meanwhile()
    shutil.copy(snapshot, node.folder / "dump.rdb")
    node.start()
    return lost_since(start, "yesterday restored", back_to=back_to)


FAULTS = {
    "server, no fault": Fault(kind="server", happens=nothing, is_quick=True),
    "server, scripts flushed": Fault(
        kind="server", happens=again_and_again("SCRIPT", "FLUSH"), is_quick=True
    ),
    "server, store lost": Fault(kind="server", happens=store_lost, is_quick=True),
    "server, connections cut": Fault(
        kind="server", happens=again_and_again("CLIENT", "KILL", "TYPE", "normal")
    ),
    "server, writes paused": Fault(kind="server", happens=slow("CLIENT", "PAUSE", 2500, "WRITE")),
    "server, paused": Fault(kind="server", happens=slow("CLIENT", "PAUSE", 2500, "ALL")),
    "server, asleep": Fault(
        kind="server",
        happens=slow("DEBUG", "SLEEP", "2.5"),
        options={**IN_MEMORY, "enable-debug-command": "local"},
    ),
    "server, memory full": Fault(kind="server", happens=memory_full, is_quick=True),
    "server, disk full": Fault(kind="server", happens=disk_full, options=TO_DISK, disk_megabytes=4),
    "server, restarted": Fault(kind="server", happens=restarted, options=TO_DISK),
    "server, yesterday restored": Fault(kind="server", happens=yesterday_restored),
    "cluster, no fault": Fault(kind="cluster", happens=nothing),
    "cluster, slots migrated": Fault(kind="cluster", happens=slots_migrated),
    "cluster, failed over in order": Fault(kind="cluster", happens=failed_over_in_order),
    "cluster, primary killed": Fault(kind="cluster", happens=primary_killed),
    "cluster, primary stopped": Fault(kind="cluster", happens=primary_stopped),
    "cluster, primary lost before it told": Fault(
        kind="cluster", happens=primary_lost_before_it_told
    ),
    "cluster, primary lost before it told, waited for": waited_for(
        "cluster", primary_lost_before_it_told
    ),
    "sentinel, told to fail over": Fault(kind="sentinel", happens=sentinels_told_to_fail_over),
    "sentinel, primary killed": Fault(kind="sentinel", happens=primary_killed),
    "sentinel, primary stopped": Fault(kind="sentinel", happens=primary_stopped),
    "sentinel, primary killed, waited for": waited_for("sentinel", primary_killed),
}


@contextmanager
def disk_for(fault: Fault, folder: Path) -> Iterator[None]:
    """Make ``folder`` a small disk, if the fault needs one."""
    if not fault.disk_megabytes:
        yield
        return
    options = ["-t", "tmpfs", "-o", f"size={fault.disk_megabytes}m", "tmpfs"]
    subprocess.run(["mount", *options, str(folder)], check=True)  # noqa: S607 # on PATH
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 # on PATH
