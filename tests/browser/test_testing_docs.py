"""The snippets of docs/testing.md for Playwright: fixtures and tests of this module."""

import os
import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text()
[SECTION] = re.findall(r"^## With Playwright\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)

# Until the process ends, since the test database is deleted while Playwright still runs.
os.environ.update(re.findall(r"^(\w+)=(\w+) pytest$", SECTION, re.MULTILINE))

for snippet in re.findall(r"^```python\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE):
    exec(snippet, globals())  # noqa: S102 # our own docs
