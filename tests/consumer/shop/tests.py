from datetime import UTC, datetime, timedelta

from django.test import RequestFactory, TestCase

from session_auth.openapi import document
from session_auth.sessions import alist_sessions
from session_auth.testing import Clock, add_session, alog_in, clock, frozen_clock, log_in
from shop.api import api
from shop.models import Customer
from shop.views import confirm, profile


class DoorsTest(TestCase):
    def setUp(self) -> None:
        self.customer = Customer.objects.create_user("carol", password="-", card_number="C-1")

    def test_a_view_behind_a_door_takes_any_request(self) -> None:
        request = RequestFactory().get("/")
        add_session(request)
        assert profile(request).status_code == 401
        assert confirm(request, "-").status_code == 401

    def test_the_door_lets_a_customer_in(self) -> None:
        response = profile(log_in(RequestFactory().get("/"), self.customer))
        self.assertJSONEqual(response.content, {"card": "C-1", "sessions": 1})

    def test_the_document_has_the_views_that_say_what_they_answer(self) -> None:
        paths = document()["paths"]
        assert {"/api/auth/login/", "/api/sign-up/"} < set(paths)
        assert set(document()["paths"]) < set(api.get_openapi_schema()["paths"])

    def test_an_old_login_is_not_recent(self) -> None:
        client = log_in(self.client, self.customer, age=timedelta(minutes=30))
        assert client.get("/api/confirm/-/").status_code == 403

    async def test_times_are_datetimes(self) -> None:
        with frozen_clock(datetime(2030, 1, 1, tzinfo=UTC)) as frozen:
            await alog_in(self.async_client, self.customer, methods=["passkey"])
            [session] = await alist_sessions(self.customer)
            proven_at = session.methods["passkey"]
            assert proven_at is not None
            later: timedelta = session.expires_at - proven_at
            stopped: Clock = frozen
        assert later == timedelta(hours=1)
        assert stopped.time() == session.created_at.timestamp()


fixture = clock  # pytest.fixture(clock), in a project that uses pytest
