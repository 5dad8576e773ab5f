"""Whatever a project imports first: REST framework's settings name classes that name its views."""

import subprocess
import sys

import pytest

PATH = "session_auth.contrib.rest_framework."
CODE = f"""
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="for-tests-only",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "session_auth",
    ],
    SESSION_ENGINE="session_auth.engines.database",
    REST_FRAMEWORK={{
        "DEFAULT_AUTHENTICATION_CLASSES": ["{PATH}SessionAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["{PATH}HasRecentLogin"],
        "EXCEPTION_HANDLER": "{PATH}exception_handler",
    }},
)
django.setup()
exec(input())
from rest_framework.views import APIView
print(APIView.authentication_classes[0].__name__, APIView.permission_classes[0].__name__)
"""


@pytest.mark.parametrize(
    "first",
    [
        "from session_auth.contrib.rest_framework import HasRecentLogin",
        "from session_auth.contrib.rest_framework import SessionAuthentication",
        "from session_auth.contrib.rest_framework import exception_handler",
        "import rest_framework.views",
        "from rest_framework import generics",
        "from rest_framework.decorators import api_view",
    ],
)
def test_it_imports(first: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], input=first, capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("SessionAuthentication HasRecentLogin\n", "")
