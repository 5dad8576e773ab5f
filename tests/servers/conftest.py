import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api_client import PASSWORD
from tests.servers.served import Site

USERS = f"""
import django
django.setup()
from django.contrib.auth.models import User
from django.contrib.auth.hashers import make_password
password = make_password({PASSWORD!r})
names = [f"user{{n}}" for n in range(60)]
User.objects.bulk_create(
    User(username=name, email=name + "@example.org", password=password) for name in names
)
"""


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with users, to be copied."""
    site = Site(tmp_path_factory.mktemp("template"))
    site.manage("migrate", "--verbosity=0")
    subprocess.run([sys.executable, "-c", USERS], env=site.environment(), check=True)
    return site.folder / "db.sqlite3"


@pytest.fixture
def site(tmp_path: Path, database: Path) -> Site:
    site = Site(tmp_path)
    shutil.copy(database, tmp_path)
    return site
