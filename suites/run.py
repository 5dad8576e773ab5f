#!/usr/bin/env python3
"""Run the tests of Django, django-allauth and Django REST framework on this package.

    python suites/run.py --quick | all | SUITE ...

``make suites`` runs all of them, and ``make test`` those that take seconds. Each suite comes from
the source distribution of the version that is installed, and runs in its own project with our
classes where the names of Django's stand (``ours.py``).

A test that fails, and passes with Django's own classes, must be in ``differences.py``; one that is
there must fail.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from declared import SUITES, Suite

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
sys.path.append(str(ROOT / "scripts"))

from fetch_tests import fetch

FAILED = re.compile(
    r"^(?:ERROR|FAIL): \S+ \(([\w.]+)\)"  # unittest
    r"|^(?:FAILED|ERROR|SUBFAILED.*?) (tests/\S+)",  # pytest
    re.MULTILINE,
)
RAN = re.compile(r"^Ran (\d+) tests|(\d+) passed", re.MULTILINE)


def run(suite: Suite, labels: list[str], *, ours: bool) -> tuple[set[str], str]:
    """Return the tests that failed, and what was printed."""
    folder = fetch(CACHE / "tests", suite.package)
    paths = [str(ROOT / "src"), str(ROOT / "suites")] if ours else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OURS": suite.name}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, *suite.command(ours=ours), *labels],
            cwd=folder / suite.folder,
            env=environment | {"TMPDIR": scratch},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    failed = {"".join(names) for names in FAILED.findall(done.stdout)}
    if done.returncode not in {0, 1} or (done.returncode and not failed):
        sys.exit(f"{done.stdout[-5000:]}\n{suite.name} did not run to its end.")
    return failed, done.stdout


def judge(suite: Suite, *, quick: bool) -> bool:
    started = time.monotonic()
    labels = list(suite.quick if quick else suite.labels)
    failed, output = run(suite, labels, ours=True)
    expected = {test for test in suite.differences if suite.selects(test, labels)}
    new, gone = failed - expected, expected - failed
    if new:
        # What fails on this machine with Django's own classes too says nothing of ours.
        new -= run(suite, sorted(new), ours=False)[0]
    ran = sum(int("".join(found)) for found in RAN.findall(output))
    enough = ran >= (suite.least_quick if quick else suite.least)

    report = CACHE / "results" / f"suites.{suite.name}.txt"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(output)
    told = f"{ran} tests, {len(expected)} differ as listed, {time.monotonic() - started:.0f} s"
    print(f"{suite.name:22} {told}", flush=True)
    for test in sorted(new):
        print(f"  differs, and is not listed: {test} (see {report.relative_to(ROOT)})")
    for test in sorted(gone):
        print(f"  is listed, and does not differ: {test}")
    if not enough:
        print(f"  too few tests: {labels}")
    return enough and not new and not gone


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"all, {', '.join(SUITES)}")
    arguments = parser.parse_args()
    names = set(arguments.suites) or {"all"}
    if unknown := names - {"all", *SUITES}:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    passed = [
        judge(suite, quick=arguments.quick)
        for name, suite in SUITES.items()
        if names & {"all", name} and (suite.quick or not arguments.quick)
    ]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
