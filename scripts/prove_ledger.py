#!/usr/bin/env python3
"""Break what docs/ledger.toml says is met, piece by piece, and demand that the named test fails.

So for the published flaws of docs/flaws.toml: each break puts one into the code.

    python scripts/prove_ledger.py --all
    python scripts/prove_ledger.py 3.4.1 "NIST 5.2" CVE-2026-82470
    python scripts/prove_ledger.py --sample N [--seed SEED]

``make ledger`` tries all; ``make test`` takes some by chance. The seed is printed, and is the date
unless it is given.

Each core has a copy of the repository and a process with Django and pytest in it. For each break,
the process writes the broken file, and a fork of it runs the test: so nothing that a break does
outlives it, and nothing heavy is imported twice.
"""

import argparse
import datetime
import importlib
import logging.config
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO

import pytest
from ledger import ROOT, Break, read

SLOWEST_SECONDS = 120
"""A break that makes its test hang is seen, too: after so many seconds."""

TEST_FAILED = 1
"""What pytest exits with if a test has failed. Any other number says that none could be run."""

NO_TEST = 5
HUNG = 124
NOT_BROKEN = 125

NODE = ("node", "--no-warnings")
PYTEST = (
    *("-q", "--no-header", "--tb=line", "-p", "no:cacheprovider"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of what was imported before the fork
)
NOT_COPIED = (".*", "__pycache__", "node_modules", "dist", "results", "*.sqlite3", "images")
NEEDED = (".ci", ".gitignore")
HEAVY = (
    *("_pytest.assertion.rewrite", "_pytest.junitxml", "asyncio", "concurrent.futures", "sqlite3"),
    *("hypothesis", "hypothesis.strategies", "hypothesis.stateful", "email.message", "http.client"),
    *("django.core.management", "django.db.models", "django.forms", "django.template.loader"),
    *("django.test", "django.test.client", "django.contrib.auth.hashers", "django.urls"),
    *("django.db.backends.sqlite3.base", "django.template.backends.django", "django.views.debug"),
    *("django.core.handlers.asgi", "django.core.handlers.wsgi", "django.middleware.csrf"),
    *("django.core.mail.backends.locmem", "django.db.migrations.executor", "xml.etree"),
)


def copy_of_repository(folder: Path) -> None:
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED), dirs_exist_ok=True)
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        elif source.exists():
            shutil.copy(source, folder / name)


class Worker:
    """A process that runs tests in a copy of the repository, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        copy_of_repository(folder)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).resolve(), "--serve"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()

    def run(self, *tests: str) -> tuple[int, str]:
        """Return 0 if all pass, 1 if one fails, else why none was run; and the last lines."""
        of_client = [name for name in tests if name.startswith("js/")]
        if of_client:
            told = [self._run_node(name) for name in of_client]
            others = [name for name in tests if name not in of_client]
            return max([*told, *([self.run(*others)] if others else [])])
        projects: dict[str, list[str]] = {}
        for name in tests:
            projects.setdefault(settings_of(name), []).append(name)
        return max(self._run_pytest(project, *names) for project, names in projects.items())

    def _run_pytest(self, project: str, *tests: str) -> tuple[int, str]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(project, *tests, sep="\t", file=self._process.stdin, flush=True)
        code, _, name = self._process.stdout.readline().strip().partition("\t")
        output = Path(name)
        lines = output.read_text(errors="replace").splitlines()
        output.unlink()
        failed = [line for line in lines if line.startswith("FAILED ")]
        return int(code), "\n".join([*lines[-12:], *failed])

    def _run_node(self, test: str) -> tuple[int, str]:
        file, _, name = test.partition("::")
        done = subprocess.run(
            [*NODE, "--test", f"--test-name-pattern=^{re.escape(name)}$", file],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SLOWEST_SECONDS,
        )
        lines = done.stdout.splitlines()
        ran = [int(number) for number in re.findall(r"^# (?:pass|fail) (\d+)$", done.stdout, re.M)]
        if not sum(ran):
            return NO_TEST, f"no test is called so: {test}"
        return min(done.returncode, TEST_FAILED), "\n".join(lines[-12:])

    @contextmanager
    def broken(self, each: Break) -> Iterator[None]:
        path = self.folder / each.file
        text = path.read_text()
        path.write_text(each.applied_to(text))
        _forget_bytecode(path)
        try:
            yield
        finally:
            path.write_text(text)
            _forget_bytecode(path)


def settings_of(test: str) -> str:
    """Return the settings of the project that a test runs in: those beside it, or of tests/."""
    folder = Path(test.partition("::")[0]).parent
    own = folder / "settings.py"
    return ".".join((folder if (ROOT / own).exists() else Path("tests")).parts) + ".settings"


def _forget_bytecode(path: Path) -> None:
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def serve() -> None:
    """Run the tests that each line of the input names, in a fork; answer with how that went."""
    # LOGGING would silence the loggers of what is imported before it is read: here, of all of it.
    configure = logging.config.dictConfig
    logging.config.dictConfig = lambda config: configure(
        {"disable_existing_loggers": False, **config}
    )
    for name in HEAVY:
        with suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        handle, name = tempfile.mkstemp(prefix="ledger-", suffix=".txt")
        project, *tests = line.rstrip("\n").split("\t")
        code = _run_in_fork(project, tests, handle)
        os.close(handle)
        print(code, name, sep="\t", flush=True)


def _run_in_fork(project: str, tests: Sequence[str], output: int) -> int:
    child = os.fork()
    if child == 0:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(0)
        code = 70
        try:
            # The run of what is unbroken comes first and leaves its bytecode; no break does.
            sys.dont_write_bytecode = len(tests) == 1
            stop = ["-x"] if len(tests) == 1 else []
            code = int(pytest.main([*PYTEST, f"--ds={project}", *stop, *tests]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    deadline = time.monotonic() + SLOWEST_SECONDS * max(1, len(tests) // 4)
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return HUNG


def prove(breaks: Sequence[Break], *, cores: int, out: IO[str]) -> int:
    """Run the tests unbroken, then each against its break; return how many do not prove it."""
    tests = sorted({each.test for each in breaks})
    cores = min(cores, len(tests))
    with tempfile.TemporaryDirectory(prefix="ledger-") as name:
        with ThreadPoolExecutor(cores) as pool:
            workers = list(pool.map(Worker, (Path(name) / str(core) for core in range(cores))))
            for worker in workers:
                worker.start()
            shares = [tests[core::cores] for core in range(cores)]
            whole = list(pool.map(lambda worker, share: worker.run(*share), workers, shares))
        failed: set[str] = set()
        for code, text in whole:
            if code:
                print("Before anything was broken:", text, sep="\n", file=out)
                failed |= {name.split("[")[0] for name in re.findall(r"^FAILED (\S+)", text, re.M)}
                if not failed:
                    return len(breaks)
        sound = [each for each in breaks if each.test not in failed]
        free: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            free.put(worker)

        def attempt(each: Break) -> tuple[Break, int, str]:
            worker = free.get()
            try:
                with worker.broken(each):
                    return each, *worker.run(each.test)
            except ValueError as exc:  # the text to break is not there
                return each, NOT_BROKEN, str(exc)
            finally:
                free.put(worker)

        survivors = len(breaks) - len(sound)
        with ThreadPoolExecutor(cores) as pool:
            for each, code, text in pool.map(attempt, sound):
                if code in (TEST_FAILED, HUNG):
                    continue
                survivors += 1
                why = "did not fail" if code == 0 else f"was not run ({code})"
                print(f"{', '.join(each.proves)}: {each.file} was broken:", file=out)
                print(f"  {each.wanted!r} -> {each.new!r}", file=out)
                print(f"  but {each.test} {why}", file=out)
                if code:
                    print(text, file=out)
        for worker in workers:
            worker.stop()
    return survivors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--sample", type=int, metavar="N")
    parser.add_argument("--seed", default=datetime.datetime.now(datetime.UTC).date().isoformat())
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    breaks = read().breaks
    if not (options.all or options.ids or options.sample):
        parser.error("Say which: --all, --sample N, or the ids of requirements.")
    if options.ids:
        breaks = [each for each in breaks if not set(options.ids).isdisjoint(each.proves)]
    if options.sample is not None:
        chance = random.Random(options.seed)  # noqa: S311 # no secret
        chosen = chance.sample(breaks, min(options.sample, len(breaks)))
        print(f"{len(chosen)} of {len(breaks)} breaks, by --seed {options.seed}")
        breaks = chosen
    if not breaks:
        print("No requirement of that id has a break.", file=sys.stderr)
        return 2
    started = time.monotonic()
    survivors = prove(breaks, cores=os.cpu_count() or 1, out=sys.stdout)
    seconds = time.monotonic() - started
    print(f"{len(breaks) - survivors} of {len(breaks)} breaks were seen, in {seconds:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
