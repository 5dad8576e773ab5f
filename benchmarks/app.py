"""One subject for a server: ``BENCHMARK_SUBJECT`` names it. See servers.py."""

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from benchmarks.subjects import subjects

SUBJECT = next(each for each in subjects() if each.name == os.environ["BENCHMARK_SUBJECT"])

with override_settings(MIDDLEWARE=SUBJECT.middleware, SESSION_ENGINE=SUBJECT.engine):
    wsgi: Any = WSGIHandler()
    asgi: Any = ASGIHandler()
