"""A report for an audit: what OWASP ASVS asks for, and where this project stands.

``requirements.json`` has the requirements; scripts/ledger.py makes it from docs/ledger.toml.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.template import Context, Engine
from django.utils import timezone

from session_auth.doctor.facts import FACTS, OUR_FACTORS, Fact
from session_auth.doctor.findings import Finding, Level

LEVELS = {"asvs-l1": 1, "asvs-l2": 2}
DATA = "requirements.json"
PAGE = "templates/session_auth/audit.html"
RUN_ALWAYS = re.compile(r"(?:session_auth|security|pruning)\.")
"""The ids of what is looked at without a URL: a check that reports nothing leaves no finding."""

NO_FACTORS = f"It is about a second factor, and {OUR_FACTORS} is not installed."
FOR_FACTORS = "Answer it for the package that brings your second factor, if there is one."
NOT_VISITED = "Not looked at: {}, for which session_doctor has to visit the site (--url)."
SILENCED = "Say why SILENCED_SYSTEM_CHECKS has {}: what it would find was not looked at."


class Standing(StrEnum):
    """How a project stands with a requirement, the worst first."""

    NOT_MET = "not met"
    TO_ANSWER = "to answer"
    """The project has to say, or to do, what no package can know."""

    MET = "met"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A row of the ledger, as far as the wheel has it."""

    id: str
    level: int
    asked: str
    status: str
    done: str = ""
    project: str = ""
    with_factors: bool = False
    page: str = ""
    checks: Sequence[str] = ()
    facts: Sequence[str] = ()
    tests: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One line of the report."""

    id: str
    level: int
    requirement: str
    status: Standing
    evidence: Sequence[str] = field(default_factory=list)
    to_do: Sequence[str] = field(default_factory=list)


def audit(findings: Sequence[Finding], *, level: str) -> list[Answer]:
    """Return an answer for each requirement up to ``level``, given what the doctor has found."""
    requirements, _ = _read()
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.id, []).append(finding)
    return [_answer(each, found) for each in requirements if each.level <= LEVELS[level]]


def as_json(answers: Sequence[Answer], *, level: str) -> str:
    return json.dumps(
        {
            **_about(level),
            "summary": _counts(answers),
            "requirements": [asdict(answer) for answer in answers],
        },
        indent=2,
        default=str,
    )


def as_html(answers: Sequence[Answer], *, level: str) -> str:
    """Return a page by itself, without scripts and without anything from elsewhere."""
    _, beyond = _read()
    template = Engine().from_string(files("session_auth").joinpath(PAGE).read_text("utf-8"))
    chapters: dict[str, list[Answer]] = {}
    for answer in answers:
        chapters.setdefault(f"V{answer.id.split('.')[0]}", []).append(answer)
    values = {"answers": answers, "chapters": chapters, "beyond": beyond}
    return template.render(Context(values | _about(level) | {"counts": _counts(answers)}))


def _read() -> tuple[list[Requirement], Mapping[str, str]]:
    data = json.loads(files("session_auth.doctor").joinpath(DATA).read_text("utf-8"))
    return [Requirement(**row) for row in data["rows"]], data["beyond"]


def _answer(asked: Requirement, found: Mapping[str, Sequence[Finding]]) -> Answer:
    if asked.with_factors and not apps.is_installed(OUR_FACTORS):
        return Answer(
            id=asked.id,
            level=asked.level,
            requirement=asked.asked,
            status=Standing.TO_ANSWER,
            evidence=[NO_FACTORS],
            to_do=[FOR_FACTORS],
        )
    facts = [FACTS[name]() for name in asked.facts]
    bad = [
        finding
        for name in asked.checks
        for finding in found.get(name, ())
        if finding.level.severity >= Level.INFO.severity
    ]
    standing = _standing(asked, bad, facts)
    looked_at = [name for name in asked.checks if _was_looked_at(name, found.get(name, ()))]
    unseen = [name for name in asked.checks if name not in looked_at]
    silenced = [name for name in looked_at if name in settings.SILENCED_SYSTEM_CHECKS]
    if standing is Standing.MET and silenced:
        standing = Standing.TO_ANSWER
    return Answer(
        id=asked.id,
        level=asked.level,
        requirement=asked.asked,
        status=standing,
        evidence=[
            *_evidence(asked, bad),
            *_looked_at([name for name in looked_at if name not in silenced], bad),
            *([NOT_VISITED.format(", ".join(unseen))] if unseen else []),
            *(fact.seen for fact in facts),
        ],
        to_do=[*_to_do(asked, standing, bad, facts), *map(SILENCED.format, silenced)],
    )


def _standing(asked: Requirement, bad: Sequence[Finding], facts: Sequence[Fact]) -> Standing:
    if bad or any(fact.holds is False for fact in facts) or asked.status == "open":
        return Standing.NOT_MET
    if asked.status == "none":
        return Standing.NOT_APPLICABLE
    return Standing.TO_ANSWER if asked.project else Standing.MET


def _was_looked_at(name: str, findings: Sequence[Finding]) -> bool:
    if RUN_ALWAYS.match(name):
        return True
    return any(finding.level is not Level.SKIP for finding in findings)


def _looked_at(names: Sequence[str], bad: Sequence[Finding]) -> Iterator[str]:
    if names and not bad:
        yield f"Nothing was found by {', '.join(names)}."


def _evidence(asked: Requirement, bad: Sequence[Finding]) -> Iterator[str]:
    if asked.done:
        yield asked.done + ("" if asked.done.endswith(".") else ".")
    yield from (f"{finding.id}: {finding.seen}" for finding in bad)
    if asked.tests:
        yield f"Tests of the package that fail when it is broken: {', '.join(asked.tests)}."
    if asked.page:
        yield f"The package says it in {asked.page}."


def _to_do(
    asked: Requirement, standing: Standing, bad: Sequence[Finding], facts: Sequence[Fact]
) -> Iterator[str]:
    yield from (finding.hint for finding in bad if finding.hint)
    yield from (fact.hint for fact in facts if fact.holds is False and fact.hint)
    if asked.project and standing is not Standing.NOT_APPLICABLE:
        yield asked.project


def _counts(answers: Sequence[Answer]) -> dict[str, int]:
    return {str(each): sum(answer.status is each for answer in answers) for each in Standing}


def _about(level: str) -> dict[str, Any]:
    made_at: datetime = timezone.now()
    return {
        "standard": f"OWASP ASVS 5.0, level {LEVELS[level]}",
        "package": f"django-session-auth {_version()}",
        "django": f"Django {django.get_version()}",
        "settings": str(settings.SETTINGS_MODULE or ""),
        "made_at": made_at.isoformat(timespec="seconds"),
    }


def _version() -> str:
    try:
        return version("django-session-auth")
    except PackageNotFoundError:  # it runs from a checkout that is not installed
        return "(not installed)"
