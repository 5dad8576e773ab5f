"""docs/compatibility.md tells of the versions that are tried."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_versions_are_those_of_the_tests() -> None:
    constraints = (ROOT / "constraints.txt").read_text().split()
    text = (ROOT / "docs" / "compatibility.md").read_text()
    told = re.findall(r"^\| `([\w-]+)` \| ([\d.]+) \|", text, re.MULTILINE)

    assert len(told) == 7
    assert {f"{name}=={version}" for name, version in told} <= set(constraints)
