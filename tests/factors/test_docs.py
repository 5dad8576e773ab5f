"""The snippets of docs/factors.md for the tests of a project are tests of this module."""

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "factors.md").read_text()

for snippet in re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
    if "TestCase" in snippet:
        exec(snippet, globals())  # noqa: S102 # our own docs
