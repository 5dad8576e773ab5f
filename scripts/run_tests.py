#!/usr/bin/env python3
"""Run every check that this machine can run, and say which it cannot.

    python scripts/run_tests.py [ENVIRONMENT ...]

``make test`` calls this. Names of tox environments restrict it to those. It writes how long each
took into ``.cache/times.json``, for ``scripts/write_times.py``.
With ``REQUIRE_ALL=1`` in the environment, a missing tool is an error. A missing Python is not, as
long as one of the supported ones is here.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from with_database import DATABASES

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
TOX_REPORT = CACHE / "tox.json"
TIMES = CACHE / "times.json"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
FIREFOX_NAMES = ("firefox-esr", "firefox")
# Debian keeps servers where only root's PATH leads.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
COVERAGE = "coverage"
LAST_LINES = 12
NEWEST_DJANGO = "django61"
FIND_HEADER = "import os, sysconfig; os.stat(sysconfig.get_path('include') + '/Python.h')"


def succeeds(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    name: str
    package: str
    is_here: Callable[[], bool]


NPM = Tool(name="npm", package="nodejs npm", is_here=lambda: shutil.which("npm") is not None)
CHROMIUM = Tool(
    name="Chromium",
    package="chromium",
    is_here=lambda: any(shutil.which(name) for name in CHROMIUM_NAMES),
)
NGINX = Tool(
    name="nginx",
    package="nginx-light",
    is_here=lambda: shutil.which("nginx", path=PATH) is not None,
)
TOOLS = {
    "browser": [CHROMIUM],
    "docs": [CHROMIUM],
    "production": [
        CHROMIUM,
        NPM,
        NGINX,
        Tool(
            name="openssl",
            package="openssl",
            is_here=lambda: shutil.which("openssl") is not None,
        ),
        Tool(
            name="Firefox",
            package="firefox-esr",
            is_here=lambda: any(shutil.which(name) for name in FIREFOX_NAMES),
        ),
        Tool(
            name="WebKit",
            package="webkit2gtk-driver",
            is_here=lambda: shutil.which("WebKitWebDriver") is not None,
        ),
        Tool(
            name="Xvfb",
            package="xvfb",
            is_here=lambda: shutil.which("Xvfb") is not None,
        ),
    ],
    "servers": [NGINX],
    "mariadb": [
        Tool(
            name="MariaDB server",
            package="mariadb-server",
            is_here=lambda: DATABASES["mariadb"].find_programs() is not None,
        ),
        # Its Python driver has to be compiled.
        Tool(
            name="MariaDB client library",
            package="libmariadb-dev pkg-config",
            is_here=lambda: succeeds("pkg-config", "--exists", "libmariadb"),
        ),
        Tool(name="C compiler", package="gcc", is_here=lambda: shutil.which("gcc") is not None),
        Tool(
            name="header of each Python",
            package="python3-dev",
            is_here=lambda: all(succeeds(python, "-c", FIND_HEADER) for python in find_pythons()),
        ),
    ],
    "postgresql": [
        Tool(
            name="PostgreSQL server",
            package="postgresql",
            is_here=lambda: DATABASES["postgresql"].find_programs() is not None,
        ),
        Tool(
            name="PgBouncer",
            package="pgbouncer",
            is_here=lambda: shutil.which("pgbouncer", path=PATH) is not None,
        ),
    ],
    "js": [NPM],
    "ledger": [NPM],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def tox(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tox", *arguments]


def list_environments() -> list[str]:
    done = subprocess.run(
        tox("list", "--no-desc", "-q"), cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [line.strip() for line in done.stdout.splitlines() if re.fullmatch(r"[\w-]+", line)]


def find_pythons() -> list[str]:
    """Return the paths of the Pythons that can run tests, newest first."""
    done = subprocess.run(
        [ROOT / "scripts" / "find_pythons.sh"], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.splitlines()


def version_of(python: str) -> str:
    """Return ``3.13`` for a Python 3.13."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def is_pair(environment: str) -> bool:
    """Say whether an environment is a pair of a Python and a Django, as in ``py313-django61``."""
    return re.fullmatch(r"py\d{3}-django\d{2}", environment) is not None


def is_like_sqlite(environment: str, *, versions: list[str]) -> bool:
    """Say whether a pair is what the environment "sqlite" takes: the newest of both."""
    return environment == f"py{versions[0].replace('.', '')}-{NEWEST_DJANGO}"


def reason_to_skip(environment: str, *, versions: list[str]) -> str | None:
    if is_pair(environment):
        wanted = f"{environment[2]}.{environment[3:5]}"
        return None if wanted in versions else f"no Python {wanted}"
    missing = [tool for tool in TOOLS.get(environment, []) if not tool.is_here()]
    if not missing:
        return None
    names, packages = (tool.name for tool in missing), (tool.package for tool in missing)
    return f"no {', no '.join(names)} (on Debian: apt install {' '.join(packages)})"


def read_counts(environment: str) -> Counts | None:
    """Return how the tests of an environment went, or None if it has no pytest report."""
    reports = [
        CACHE / "results" / f"{environment}.xml",
        *(CACHE / "results").glob(f"{environment}.*.xml"),
    ]
    trees = [ElementTree.parse(path) for path in reports if path.exists()]  # noqa: S314 # ours
    if not trees:
        return None
    tests = [test for tree in trees for test in tree.iter("testcase")]
    failed = sum(bool(test.findall("failure") + test.findall("error")) for test in tests)
    skipped = sum(test.find("skipped") is not None for test in tests)
    return Counts(passed=len(tests) - failed - skipped, failed=failed, skipped=skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    success: bool
    seconds: float


def run(environments: list[str], *, pythons: list[str], arguments: list[str]) -> dict[str, Result]:
    """Run tox environments side by side."""
    TOX_REPORT.unlink(missing_ok=True)
    # More than there are processors: tests in a browser and of sockets mostly wait.
    at_once = (os.cpu_count() or 1) + 2
    command = tox("run-parallel", f"--parallel={at_once}", "--parallel-no-spinner")
    command += ["--no-list-dependencies", f"--result-json={TOX_REPORT}", "-e"]
    command += [",".join(environments), "--discover", *pythons]
    command += ["--", *arguments] if arguments else []
    subprocess.run(command, cwd=ROOT, check=False)
    report = json.loads(TOX_REPORT.read_text())["testenvs"] if TOX_REPORT.exists() else {}
    results = {name: report.get(name, {}).get("result", {}) for name in environments}
    return {
        name: Result(
            success=bool(result.get("success")), seconds=round(result.get("duration", 0), 1)
        )
        for name, result in results.items()
    }


def last_lines(environment: str) -> str:
    """Return the end of what the last command of an environment printed."""
    logs = sorted((ROOT / ".tox" / environment / "log").glob("*-commands*.log"))
    return "\n".join(logs[-1].read_text().splitlines()[-LAST_LINES:]) if logs else "(nothing)"


def time_of_children() -> float:
    """Return the seconds of CPU that all processes of this run have taken."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    started = time.monotonic()
    pythons = find_pythons()
    versions = [version_of(python) for python in pythons]
    known = list_environments()
    environments = sys.argv[1:] or [
        name for name in known if not is_like_sqlite(name, versions=versions)
    ]
    if unknown := {name for name in environments if name not in known and not is_pair(name)}:
        print(f"No such environment: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    reasons = {name: reason_to_skip(name, versions=versions) for name in environments}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    pairs = [name for name in environments if is_pair(name)]
    if sys.argv[1:] and pairs and not set(pairs) - set(skipped):
        print(f"None of these can run here: {', '.join(pairs)}", file=sys.stderr)
        return 1
    missing_tools = {name: skipped[name] for name in TOOLS if name in skipped}
    if missing_tools and os.environ.get("REQUIRE_ALL") == "1":
        for name, reason in missing_tools.items():
            print(f"{name} cannot run: {reason}", file=sys.stderr)
        return 1

    for folder in ("coverage", "results"):
        shutil.rmtree(CACHE / folder, ignore_errors=True)
        (CACHE / folder).mkdir(parents=True)
    to_run = [name for name in environments if name not in skipped and name != COVERAGE]
    results = run(to_run, pythons=pythons, arguments=[])
    if COVERAGE in environments:
        # Without a browser or a database, its code has not run: then the gate only informs.
        gate = ["--fail-under=0"] if missing_tools else []
        results |= run([COVERAGE], pythons=pythons, arguments=gate)

    print()
    total = Counts(skipped=len(skipped))
    times = []
    for name, result in results.items():
        counts = read_counts(name)
        times.append({"name": name, "tests": counts and counts.passed, "seconds": result.seconds})
        if counts is None or (counts.failed == 0 and not result.success):
            counts = (counts or Counts()) + Counts(
                passed=int(result.success), failed=int(not result.success)
            )
        total += counts
        told = "ok" if result.success else "FAILED"
        print(f"{name:16} {told:8} {result.seconds:5.0f} s  {counts}")
    for name, reason in skipped.items():
        print(f"{name:16} skipped  {reason}")
    for name, result in results.items():
        if not result.success:
            print(f"\n{name} ended with:\n{last_lines(name)}\n")
    if missing_tools and COVERAGE in environments:
        print("Coverage was measured, but not judged, because not everything ran.")
    wall, cpu = time.monotonic() - started, time_of_children()
    print(f"{wall / 60:.1f} minutes on {os.cpu_count()} cores, {cpu / 60:.1f} minutes of CPU")
    if not sys.argv[1:]:
        of_all = {"seconds": wall, "cpu_seconds": cpu, "cores": os.cpu_count()}
        TIMES.write_text(json.dumps({"environments": times, "all": of_all}, indent=1))
    print(total)
    return 0 if all(result.success for result in results.values()) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
