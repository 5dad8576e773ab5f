#!/usr/bin/env python3
"""Write docs/security.md and what ``session_doctor --report`` reads, from docs/ledger.toml.

The page ends with the published flaws of others, from docs/flaws.toml.

    python scripts/ledger.py

tests/test_ledger.py says when one of them is behind.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "docs" / "ledger.toml"
FLAWS = ROOT / "docs" / "flaws.toml"
PAGE = ROOT / "docs" / "security.md"
SHIPPED = ROOT / "src" / "session_auth" / "doctor" / "requirements.json"

STATUSES = {
    "met": "met",
    "checked": "met if no check finds anything",
    "project": "left to the project",
    "open": "not met",
    "none": "does not apply",
}
MOST_LEVEL = 2
"""The report is for levels 1 and 2 of ASVS, so the wheel has no other rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A change of one file that breaks a requirement, and the test that has to fail then."""

    file: str
    new: str
    test: str
    proves: Sequence[str]
    old: str = ""
    pattern: str = ""
    """A regular expression in place of ``old``, for a file in which a build renames things."""

    @property
    def wanted(self) -> str:
        return self.pattern or self.old

    def applied_to(self, text: str) -> str:
        """Return ``text``, broken. Raises ``ValueError`` if it has what to break not just once."""
        found = len(re.findall(self.pattern or re.escape(self.old), text))
        if found != 1:
            raise ValueError(f"{self.proves[0]}: {self.file} has {found} times {self.wanted!r}")
        if self.pattern:
            return re.sub(self.pattern, self.new, text)
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A requirement: what is asked, where it stands, and how that is known."""

    id: str
    asked: str
    status: str
    level: int = 0
    done: str = ""
    page: str = ""
    project: str = ""
    with_factors: bool = False
    checks: Sequence[str] = ()
    facts: Sequence[str] = ()
    proved_with: Sequence[str] = ()
    breaks: Sequence[Mapping[str, str]] = ()

    @property
    def standard(self) -> str:
        return "NIST" if self.id.startswith("NIST") else "ASVS"

    @property
    def chapter(self) -> str:
        return "NIST" if self.standard == "NIST" else f"V{self.id.split('.')[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What was published of other packages, and what keeps it from being true here."""

    ids: Sequence[str]
    seen_in: str
    flaw: str
    done: str
    breaks: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Ledger:
    chapters: Mapping[str, str]
    """The headings of the page, by the name of the first chapter below each."""

    beyond: Mapping[str, str]
    """The chapters of ASVS that a package for sessions has nothing to do with, and why."""

    rows: Sequence[Row] = field(default_factory=list)
    flaws: Sequence[Flaw] = field(default_factory=list)

    @cached_property
    def breaks(self) -> list[Break]:
        """All breaks, each with the ids of all rows, or of the flaw, that it proves."""
        users: dict[str, list[str]] = {}
        for row in self.rows:
            for other in row.proved_with:
                users.setdefault(other, []).append(row.id)
        of_rows = [
            Break(**each, proves=(row.id, *users.get(row.id, ())))
            for row in self.rows
            for each in row.breaks
        ]
        return of_rows + [
            Break(**each, proves=flaw.ids) for flaw in self.flaws for each in flaw.breaks
        ]


def read(path: Path = SOURCE, flaws: Path = FLAWS) -> Ledger:
    data = tomllib.loads(path.read_text())
    return Ledger(
        chapters=data["chapters"],
        beyond=data["beyond"],
        rows=[Row(**_renamed(row)) for row in data["row"]],
        flaws=[Flaw(**_renamed(flaw)) for flaw in tomllib.loads(flaws.read_text())["flaw"]],
    )


def _renamed(table: Mapping[str, Any]) -> dict[str, Any]:
    return {("breaks" if name == "break" else name): value for name, value in table.items()}


def page(ledger: Ledger) -> str:
    """Return docs/security.md."""
    return "\n".join([*_lines(ledger), ""])


def _lines(ledger: Ledger) -> Iterator[str]:
    count = {name: sum(row.status == name for row in ledger.rows) for name in STATUSES}
    yield from (
        "# What is asked of session authentication, and what proves it",
        "",
        "Two standards, requirement by requirement:",
        "",
        "- OWASP ASVS 5.0: what a web application has to do, in three levels.",
        "- NIST SP 800-63B-4: what logins and sessions have to do.",
        "",
        "`docs/ledger.toml` has all of it as data, and this page is made from that.",
        "",
        "| it says | of | which means |",
        "|---|---|---|",
        f"| met | {count['met']} | the code or a page does it, whatever the project does |",
        (
            f"| met if no check finds anything | {count['checked']} | settings can undo it: then "
            "`manage.py check --deploy` says so, by the id that stands there |"
        ),
        (
            f"| left to the project | {count['project']} | the project has to do something, or to "
            "write it down: the row says what |"
        ),
        f"| not met | {count['open']} | the row says what is missing |",
        f"| does not apply | {count['none']} | there is nothing here that it could be about |",
        "",
        (
            f"{sum(row.with_factors for row in ledger.rows)} of them say *with factors*: they are "
            "about second factors and passkeys, and hold where `session_auth.factors` is installed."
        ),
        "Behind any other status, an id names a check that looks at the same subject.",
        "",
        (
            "What is met is proved by breaking it: "
            f"{sum(len(row.breaks) for row in ledger.rows)} small changes of the code, each of "
            "which breaks a requirement."
        ),
        (
            "`make ledger` makes one after the other in a copy, runs the test that stands under "
            "*proof*, and demands that it fails; `make test` does so with a few, other ones each "
            "day."
        ),
        "A few rows, mostly those that ask for a text, have a page in the place of a test.",
        (
            "`manage.py session_doctor --report asvs-l2` tells the same of your project, with what "
            "it finds in your settings: see [doctor.md](doctor.md#a-report-for-an-audit)."
        ),
    )
    for row, heading in _with_headings(ledger):
        if heading:
            name = "section" if row.standard == "NIST" else "id"
            columns = f"| {name} | level | asked for | status | what is done | proof |"
            yield from ("", f"## {heading}", "", columns, "|---|---|---|---|---|---|")
        yield _line(row, ledger)
    yield from ("", "## Chapters of ASVS that are not about this", "")
    for chapter, why in ledger.beyond.items():
        yield f"- {chapter}: {why}"
    yield from (
        "",
        "## Published flaws of others",
        "",
        (
            "Flaws in the second factors, passkeys and logins in stages of other packages, mostly "
            "published in 2026, and what keeps each out of this one."
        ),
        "Each test was seen to fail on a copy that has the flaw: `docs/flaws.toml` has the change.",
        (
            "Where a flaw is a race, the test sends sixteen requests at once, on SQLite, "
            "PostgreSQL and MariaDB."
        ),
        "All but Keycloak's are about `session_auth.factors`.",
        "",
        "| id | seen in | the flaw | what is done here | proof |",
        "|---|---|---|---|---|",
    )
    for flaw in ledger.flaws:
        proof = ", ".join(dict.fromkeys(_test_name(each["test"]) for each in flaw.breaks))
        cells = (", ".join(flaw.ids), flaw.seen_in, flaw.flaw, flaw.done, proof)
        yield f"| {' | '.join(cells)} |"


def _with_headings(ledger: Ledger) -> Iterator[tuple[Row, str | None]]:
    seen: set[str] = set()
    for row in ledger.rows:
        heading = None if row.chapter in seen else ledger.chapters.get(row.chapter)
        seen.add(row.chapter)
        yield row, heading


def _line(row: Row, ledger: Ledger) -> str:
    tests = [each.test for each in ledger.breaks if row.id in each.proves]
    proof = [_test_name(name) for name in tests]
    if row.page:
        proof.append(f"[{row.page}]({row.page})")
    status = STATUSES[row.status]
    if row.with_factors:
        status += ", with factors"
    if row.checks:
        status += ": " + ", ".join(_linked(name) for name in row.checks)
    done = ". ".join(filter(None, [row.done.removesuffix("."), row.project]))
    cells = (
        row.id.removeprefix("NIST "),
        str(row.level or ""),
        row.asked,
        status,
        done,
        ", ".join(dict.fromkeys(proof)),
    )
    return f"| {' | '.join(cells)} |"


def _test_name(test: str) -> str:
    return f"`{test.rsplit('::', 1)[1].split('[')[0]}`"


def _linked(check: str) -> str:
    name = check.removeprefix("session_auth.")
    return f"`{check}`" if name == check else f"[{name}](doctor.md#{name.lower()})"


def shipped(ledger: Ledger) -> str:
    """Return what the wheel has of it: no breaks and no level 3, a row a line."""
    rows = [
        json.dumps(_shipped(row, ledger), ensure_ascii=False)
        for row in ledger.rows
        if row.standard == "ASVS" and row.level <= MOST_LEVEL
    ]
    beyond = json.dumps(ledger.beyond, ensure_ascii=False)
    return f'{{"beyond": {beyond}, "rows": [\n' + ",\n".join(rows) + "\n]}\n"


def _shipped(row: Row, ledger: Ledger) -> dict[str, Any]:
    tests = dict.fromkeys(each.test for each in ledger.breaks if row.id in each.proves)
    values = {
        "id": row.id,
        "level": row.level,
        "asked": row.asked,
        "status": row.status,
        "done": _sentence(row.done),
        "project": row.project,
        "with_factors": row.with_factors,
        "page": row.page and (ROOT / "docs" / row.page).resolve().relative_to(ROOT).as_posix(),
        "checks": list(row.checks),
        "facts": list(row.facts),
        "tests": [name.rsplit("::", 1)[1].split("[")[0] for name in tests],
    }
    return {
        name: value.replace("`", "") if isinstance(value, str) else value
        for name, value in values.items()
        if value not in ("", [], 0)
    }


def _sentence(text: str) -> str:
    """Return ``text`` with a capital letter, unless the name of a file or of code comes first."""
    first, _, _ = text.partition(" ")
    return text if first.startswith("`") or "." in first else text[:1].upper() + text[1:]


def main() -> int:
    ledger = read()
    PAGE.write_text(page(ledger))
    SHIPPED.write_text(shipped(ledger))
    return 0


if __name__ == "__main__":
    sys.exit(main())
