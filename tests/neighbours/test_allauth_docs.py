"""docs/allauth.md, followed to the letter: its project passes the checks and its own test."""

from pathlib import Path

from tests.following import follow


def test_allauth_signs_up_and_our_login_lets_in(tmp_path: Path) -> None:
    printed = follow("allauth.md", tmp_path)

    assert "no issues" in printed["python manage.py check"]
    assert "Ran 1 test" in printed["python manage.py test"]
