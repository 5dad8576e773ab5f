"""docs/users.md, followed to the letter: its project passes the checks and its own tests."""

from pathlib import Path

from tests.following import follow


def test_a_project_with_users_by_email_and_roles(tmp_path: Path) -> None:
    printed = follow("users.md", tmp_path)

    assert "no issues" in printed["python manage.py check"]
    assert "Ran 2 tests" in printed["python manage.py test"]
