"""The doctor at a real server: a sound one, and one broken in a single way each."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.doctor_site import SETTINGS, HeaderList, make_certificate, served

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), days=30)


def doctor(url: str, **options: Any) -> list[dict[str, str]]:
    out = StringIO()
    try:
        call_command("session_doctor", url=url, json=True, stdout=out, **options)
    except CommandError as exc:
        assert exc.returncode == 1
    return list(json.loads(out.getvalue())["findings"])
