#!/usr/bin/env python3
"""For reference: what does Better Auth spend on the same question, on Node?

    npm --prefix benchmarks/node install && python benchmarks/better_auth.py [--json FILE]

It is another language on another runtime, so only the magnitudes of the times compare.
"""

import json
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

from benchmarks.ratios import spread
from benchmarks.tables import new_parser, publish

SCRIPT = ROOT / "benchmarks" / "node" / "better-auth.js"
REQUESTS_A_ROUND = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    subject: str
    cpu_us: float
    spread_us: float
    wall_us: float


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="of 100 requests")
    options = parser.parse_args()
    node = shutil.which("node")
    if node is None:
        raise SystemExit("Node is missing. On Debian: apt install nodejs npm")

    command = [node, str(SCRIPT), str(REQUESTS_A_ROUND), str(options.rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    cpu = [each["cpu"] for each in measured["times"]]
    result = Result(
        subject=f"Better Auth get-session, in memory, Node {measured['node']}",
        cpu_us=statistics.median(cpu),
        spread_us=spread(cpu),
        wall_us=statistics.median(each["wall"] for each in measured["times"]),
    )
    publish("CPU time per call, Better Auth", [result], file=options.json)


if __name__ == "__main__":
    main()
