#!/usr/bin/env python
import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    # The demo brings the API; your project has it already.
    sys.path.append(str(Path(__file__).resolve().parents[2] / "demo"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "react_site.settings")
    execute_from_command_line(sys.argv)
