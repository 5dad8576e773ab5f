import os

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django = get_asgi_application()

from session_auth.asgi import LiveSessions  # noqa: E402  # it needs the apps

application = LiveSessions(ASGIStaticFilesHandler(django) if settings.DEBUG else django)
