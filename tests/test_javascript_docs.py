"""The URLconf by which docs/javascript.md lets Django serve an app that Vite has built."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.test import Client, override_settings

from tests.settings import TEMPLATES

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "javascript.md").read_text()


@pytest.fixture
def urlconf(tmp_path: Path) -> Any:
    (tmp_path / "index.html").write_text("<!doctype html><title>The app</title>")
    [code] = re.findall(r"^```python\n# urls.py\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    urlconf = ModuleType("urls")
    exec(code, vars(urlconf))  # noqa: S102 # our own docs
    with override_settings(ROOT_URLCONF=urlconf, TEMPLATES=[TEMPLATES[0] | {"DIRS": [tmp_path]}]):
        yield urlconf


@pytest.mark.parametrize("path", ["/", "/articles/7/", "/apiary/"])
def test_the_app_answers_for_the_paths_of_its_router(urlconf: Any, path: str) -> None:
    response = Client().get(path)

    assert b"The app" in response.content
    assert response.headers["Cache-Control"] == "no-cache"


def test_it_answers_neither_for_the_api_nor_for_files(db: None, urlconf: Any) -> None:
    assert Client().get("/api/auth/user/").json() == {"user": None}
    for path in ("/api/nothing/", "/static/nothing.js"):
        assert Client().get(path).status_code == 404
