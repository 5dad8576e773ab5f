"""What docs/deployment.md says, where no browser is needed; tests/browser runs the rest of it."""

import re
from pathlib import Path
from types import ModuleType

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client, override_settings
from pytest_django import DjangoAssertNumQueries

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "deployment.md").read_text()


@pytest.mark.django_db
def test_the_health_check_costs_no_query_and_sends_no_cookie(
    client: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    [block] = [each for each in blocks if "def health" in each]
    urls = ModuleType("urls_of_the_page")
    exec(block, vars(urls))  # noqa: S102 # our own docs
    client.force_login(alice)

    with override_settings(ROOT_URLCONF=urls), django_assert_num_queries(0):
        response = client.get("/health/")

    assert settings.SESSION_COOKIE_NAME in client.cookies
    assert (response.status_code, response.content) == (200, b"ok")
    assert (response.cookies, response.headers.get("Vary")) == ({}, None)
