#!/usr/bin/env python3
"""Write js/openapi.json: the OpenAPI document from which the npm package has its types.

    .tox/lint/bin/python scripts/write_openapi.py

It is that of a project with all that there is, and with the settings of nobody. A test compares.
"""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "js" / "openapi.json"


def render() -> str:
    """Return the document, with Django set up already."""
    from session_auth.openapi import document

    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.factors.settings"
    import django

    django.setup()
    PAGE.write_text(render())
