from typing import ClassVar

import sessions_tests.tests as upstream
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import override_settings

from session_auth.keys import digest
from session_auth.middleware import SessionMiddleware
from session_auth.models import Session
from tests.storing import SessionStore

upstream.DatabaseSession = SessionStore
upstream.SessionMiddleware = SessionMiddleware


def stored_data(session_key: str) -> dict[str, object]:
    row = Session.objects.get(id=digest(session_key))
    return SessionStore().decode(row.data)


class DatabaseSessionTests(upstream.DatabaseSessionTests):
    backend = SessionStore
    session_engine = settings.SESSION_ENGINE

    DIFFERENCES: ClassVar = {
        "test_session_str": "A row is not named after the key: rows end up in logs.",
        "test_session_get_decoded": "A row is found by the digest of the key.",
        "test_sessionmanager_save": "Only the store writes rows: no Session.objects.save().",
    }

    def test_session_str(self) -> None:
        self.session["x"] = 1
        self.session.save()

        row = Session.objects.get()
        assert str(row) == f"{digest(self.session.session_key)[:8]}…"

    def test_session_get_decoded(self) -> None:
        self.session["x"] = 1
        self.session.save()

        assert stored_data(self.session.session_key) == {"x": 1}

    def test_sessionmanager_save(self) -> None:
        self.session["y"] = 1
        self.session.save()

        same_session = SessionStore(self.session.session_key)
        same_session["y"] = 2
        same_session.save()

        del self.session._session_cache
        assert self.session["y"] == 2


@override_settings(USE_TZ=False)
class DatabaseSessionWithoutTimeZoneTests(DatabaseSessionTests):
    pass


class SessionMiddlewareTests(upstream.SessionMiddlewareTests):
    DIFFERENCES: ClassVar = {
        "test_empty_session_saved": "A row is found by the digest of the key.",
    }

    def test_empty_session_saved(self) -> None:
        def add(request: HttpRequest) -> HttpResponse:
            request.session["foo"] = "bar"
            return HttpResponse()

        request = self.request_factory.get("/")
        middleware = SessionMiddleware(add)
        middleware(request)
        del request.session["foo"]
        response = middleware.process_response(request, HttpResponse())

        assert stored_data(request.session.session_key) == {}
        cookie = response.cookies[settings.SESSION_COOKIE_NAME]
        assert cookie.value == request.session.session_key
        assert response.headers["Vary"] == "Cookie"
