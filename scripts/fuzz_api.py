#!/usr/bin/env python3
"""Call the endpoints of the demo with all that its OpenAPI document allows, and with much else.

Schemathesis makes the calls: each has to be answered by a status, a header and a body that the
document has, and none by 500 or more. `--quick` makes few of them, always the same.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.demo_server import running_demo  # noqa: E402 # needs the path above

QUICK = ["--max-examples=4", "--seed=1", "--generation-database=none"]
LONG = ["--max-examples=200"]


def main() -> int:
    chosen = QUICK if "--quick" in sys.argv else LONG
    more = [each for each in sys.argv[1:] if each != "--quick"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_demo(folder, "tests.browser.settings_fuzzed") as origin:
            command = [
                str(Path(sys.executable).parent / "schemathesis"),
                f"--config-file={ROOT / 'scripts' / 'fuzz.toml'}",
                "run",
                *chosen,
                *more,
            ]
            document = f"{origin}/api/auth/openapi.json"
            hooks = {"SCHEMATHESIS_HOOKS": "fuzz_hooks", "DEMO_ORIGIN": origin}
            path = {"PYTHONPATH": str(ROOT / "scripts")}
            done = subprocess.run(
                [*command, document], env=os.environ | hooks | path, cwd=folder, check=False
            )
            if "Traceback" in (text := (folder / "server.log").read_text()):
                print(text[text.index("Traceback") :][:5000])
                return 1
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
