"""What was found, for a person and for a machine."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from textwrap import wrap

from session_auth.doctor.findings import Finding, Level

WORDS = {
    Level.FAIL: "failed",
    Level.WARN: "to look at",
    Level.INFO: "to know",
    Level.PASS: "passed",
    Level.SKIP: "skipped",
}


def as_json(findings: Sequence[Finding]) -> str:
    return json.dumps(
        {"summary": _counts(findings), "findings": [asdict(finding) for finding in findings]},
        indent=2,
    )


def as_rows(findings: Sequence[Finding], *, columns: int) -> Iterable[tuple[Level, str]]:
    """Yield a block of text for each finding: level and id, what was seen, what to do."""
    width = max((len(finding.id) for finding in findings), default=0)
    indent = " " * (width + 8)
    for finding in findings:
        head = f"{finding.level.upper():<4}  {finding.id:<{width}}  "
        lines = _lines(f"{finding.subject}: {finding.seen}", columns, head, indent)
        if finding.hint:
            lines += _lines(finding.hint, columns, indent + "-> ", indent + "   ")
        yield finding.level, "\n".join(lines)


def summary(findings: Sequence[Finding]) -> str:
    counts = _counts(findings)
    return ", ".join(f"{counts[level]} {WORDS[level]}" for level in WORDS if counts[level]) + "."


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    counter = Counter(finding.level for finding in findings)
    return {level: counter[level] for level in Level}


def _lines(text: str, columns: int, first: str, rest: str) -> list[str]:
    return wrap(
        text,
        max(columns, 60),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
