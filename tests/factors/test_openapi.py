"""The OpenAPI document with factors, from which the npm package has its types."""

import runpy
from pathlib import Path

from session_auth.openapi import document

ROOT = Path(__file__).resolve().parents[2]


def test_the_types_of_the_package_are_made_of_the_document() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "write_openapi.py"))

    assert script["PAGE"].read_text() == script["render"](), (
        "Run .tox/lint/bin/python scripts/write_openapi.py."
    )


def test_a_passkey_is_for_a_login_or_a_proof() -> None:
    body = document()["paths"]["/api/auth/passkeys/options/"]["post"]["requestBody"]

    schema = body["content"]["application/json"]["schema"]
    assert schema["properties"]["purpose"]["enum"] == ["login", "proof", "stage"]
    assert schema["properties"]["method"]["enum"] == ["passkey", "security_key"]
