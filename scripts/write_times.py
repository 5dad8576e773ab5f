#!/usr/bin/env python3
"""Write into CONTRIBUTING.md how long the last ``make test`` took: ``make times`` calls this."""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TIMES = ROOT / ".cache" / "times.json"
DOCUMENT = ROOT / "CONTRIBUTING.md"
BLOCK = re.compile(r"(<!-- make times -->\n).*?(<!-- end -->)", re.DOTALL)


def as_table(times: dict[str, Any]) -> str:
    of_all = times["all"]
    lines = ["| environment | tests | seconds |", "|---|---|---|"]
    lines += [
        f"| `{each['name']}` | {each['tests'] or ''} | {each['seconds']:.0f} |"
        for each in times["environments"]
    ]
    return (
        f"{of_all['seconds'] / 60:.1f} minutes on {of_all['cores']} cores, "
        f"{of_all['cpu_seconds'] / 60:.1f} minutes of CPU.\n\n" + "\n".join(lines) + "\n"
    )


def main() -> int:
    if not TIMES.exists():
        print("Run `make test` first, without ONLY.", file=sys.stderr)
        return 1
    table = as_table(json.loads(TIMES.read_text()))
    DOCUMENT.write_text(BLOCK.sub(lambda block: block[1] + table + block[2], DOCUMENT.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
