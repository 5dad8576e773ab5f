"""One story of a session, told in the project of these settings: ``tell()``.

Its names are those of what users do; what a kind of project does otherwise is a subclass.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from django.test.utils import setup_test_environment
from django.utils import timezone

from session_auth.engines.database import SessionStore
from session_auth.models import Session
from session_auth.sessions import list_sessions
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of
from tests.neighbours.projects.models import Proxy
from tests.neighbours.projects.settings import PROJECT

NEW_PASSWORD = "another horse, another battery"
NAME = "alice"


class Story:
    name = NAME

    def __init__(self) -> None:
        self.password: str | None = PASSWORD

    @property
    def users(self) -> Any:
        """The class by which the project's own code knows its users."""
        return get_user_model()

    def tell(self) -> None:
        self.begin()
        here, other = self.log_in(), self.log_in()
        self.call(here)
        self.call(other)
        self.prove_again(here)
        self.call(here)
        self.change_the_password(here, other)
        other = self.log_in()
        self.list_and_end(here, other)
        self.deactivate(here)
        here = self.log_in()
        self.delete(here)
        self.prune()

    def begin(self) -> None:
        self.users.objects.create_user(self.name, password=self.password)
        self.go_on()

    def go_on(self) -> None:
        """Let a moment go by."""

    def user(self) -> Any:
        return self.users.objects.get_by_natural_key(self.name)

    def browser(self) -> ApiClient:
        return ApiClient()

    def log_in(self) -> ApiClient:
        self.go_on()
        browser = self.browser()
        response = browser.log_in(self.name, str(self.password))
        assert response.status_code == 200, response.content
        return browser

    def is_in(self, browser: ApiClient) -> bool:
        self.go_on()
        return browser.user() is not None

    def call(self, browser: ApiClient) -> None:
        """Make a call that changes something, which needs a session and its token."""
        assert self.is_in(browser)

        refused = browser.post("/api/note/")
        answer = browser.call("POST", "/api/note/")

        assert refused.status_code == 403
        assert refused.json()["code"] == "csrf_failed"
        assert answer.status_code == 200, answer.content
        assert answer.json() == {"note": "written", "by": self.user().get_username()}

    def prove_again(self, browser: ApiClient) -> None:
        wrong = browser.call("POST", AUTH + "reauthenticate/", {"password": "wrong"})
        right = browser.call("POST", AUTH + "reauthenticate/", {"password": self.password})

        assert (wrong.status_code, right.status_code) == (401, 200), right.content

    def change_the_password(self, browser: ApiClient, other: ApiClient) -> None:
        body = {"old_password": self.password, "new_password": NEW_PASSWORD}
        answer = browser.call("POST", AUTH + "password/change/", body)

        assert answer.status_code == 200, answer.content
        self.password = NEW_PASSWORD
        assert browser.user() is not None  # at once, and later
        assert (self.is_in(browser), self.is_in(other)) == (True, False)

    def list_and_end(self, browser: ApiClient, other: ApiClient) -> None:
        listed = browser.get(AUTH + "sessions/").json()["sessions"]
        assert [(each["id"], each["current"]) for each in listed] == [
            (id_of(browser), True),
            (id_of(other), False),
        ]
        assert len(list_sessions(self.user())) == 2

        ended = browser.call("DELETE", f"{AUTH}sessions/{id_of(other)}/")

        assert ended.status_code == 204, ended.content
        assert (self.is_in(browser), self.is_in(other)) == (True, False)

    def deactivate(self, browser: ApiClient) -> None:
        for is_active in (False, True):
            self.set_active(is_active)
            assert not self.is_in(browser)

    def set_active(self, is_active: bool) -> None:
        user = self.user()
        user.is_active = is_active
        user.save()

    def delete(self, browser: ApiClient) -> None:
        self.user().delete()

        assert not self.is_in(browser)
        assert not Session.objects.filter(pk=id_of(browser)).exists()

    def prune(self) -> None:
        left = SessionStore()
        left["note"] = "of a visitor"
        left.save()
        Session.objects.update(expires_at=timezone.now() - timedelta(days=1))

        call_command("prune_sessions", verbosity=0)

        self.go_on()
        assert not Session.objects.exists()


class WithReplica(Story):
    """What is read is what was written before the last moment."""

    def go_on(self) -> None:
        for alias in ("default", "other"):
            connections[alias].ensure_connection()
        connections["default"].connection.backup(connections["other"].connection)


class InSummer(Story):
    """The clocks are changed while the story is told, and the times in the database are naive."""

    def tell(self) -> None:
        month, day = (3, 28) if PROJECT == "summer time begins" else (10, 31)
        start = datetime(2027, month, day, 0, 55, tzinfo=UTC)
        with time_machine.travel(start, tick=False) as self.clock:
            super().tell()
            assert datetime.now(UTC) - start > timedelta(minutes=10)

    def go_on(self) -> None:
        self.clock.shift(60)


class ByProxy(Story):
    users = Proxy


class ByEmail(Story):
    name = "alice@example.org"


class Caseless(Story):
    name = "Alice"

    def log_in(self) -> ApiClient:
        browser = self.browser()
        assert browser.log_in("aLICE", str(self.password)).status_code == 200
        return browser


class WithoutPassword(Story):
    """Nobody has a password here, so none can be proved or changed."""

    def __init__(self) -> None:
        self.password = None

    def prove_again(self, browser: ApiClient) -> None:
        answer = browser.call("POST", AUTH + "reauthenticate/", {"password": "!"})

        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")

    def change_the_password(self, browser: ApiClient, other: ApiClient) -> None:
        body = {"old_password": "!", "new_password": NEW_PASSWORD}
        answer = browser.call("POST", AUTH + "password/change/", body)

        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["old_password"])
        assert (self.is_in(browser), self.is_in(other)) == (True, True)
        other.log_out()


class SingleSignOn(WithoutPassword):
    def log_in(self) -> ApiClient:
        browser = self.browser()
        assert browser.get(f"/api/sso/{self.name}/").status_code == 200
        return browser


class RemoteUser(WithoutPassword):
    """The server in front says with each request who it is: a session that ended is replaced."""

    def log_in(self) -> ApiClient:
        browser = ApiClient(REMOTE_USER=self.name)
        assert browser.user() is not None
        return browser

    def is_in(self, browser: ApiClient) -> bool:
        before = browser.session_key()
        return browser.user() is not None and browser.session_key() == before

    def delete(self, browser: ApiClient) -> None:
        self.user().delete()

        assert not Session.objects.exists()


class AllowsAll(Story):
    def deactivate(self, browser: ApiClient) -> None:
        for is_active in (False, True):
            self.set_active(is_active)
            assert self.is_in(browser)


class ByStaff(Story):
    def delete(self, browser: ApiClient) -> None:
        staff = User.objects.create_user("staff", password=PASSWORD, is_staff=True)
        staff.user_permissions.set(Permission.objects.filter(codename="delete_user"))
        desk = ApiClient()
        desk.log_in("staff")
        path = f"/admin/auth/user/{self.user().pk}/delete/"
        page = desk.get(path)
        token = {"csrfmiddlewaretoken": desk.csrf_token()}
        answer = desk.post(path, {"post": "yes"} | token)

        assert (page.status_code, answer.status_code) == (200, 302)
        assert not self.users.objects.filter(username=self.name).exists()
        assert not self.is_in(browser)
        staff.delete()


class BelowAPath(Story):
    def log_in(self) -> ApiClient:
        browser = super().log_in()
        assert {cookie["path"] for cookie in browser.cookies.values()} == {"/app"}
        return browser


class SwitchedBack(Story):
    """Django's engine is set for a while: nobody has a session left that should have none."""

    def tell(self) -> None:
        with override_settings(SESSION_ENGINE="session_auth.engines.database"):
            self.begin()
            here = self.log_in()
        with pytest.raises(ImproperlyConfigured):
            ApiClient().log_in()
        there = ApiClient()
        assert there.get(f"/api/by-django/{self.name}/").json() == {"by": self.name}
        assert there.get("/api/who/").json() == {"by": self.name}
        self.set_active(False)
        assert there.get("/api/who/").json() == {"by": ""}
        self.set_active(True)
        with override_settings(SESSION_ENGINE="session_auth.engines.database"):
            assert not self.is_in(here)
            self.log_in()
        self.user().delete()
        assert there.get("/api/who/").json() == {"by": ""}
        self.prune()


class Split(Story):
    """The tests of the project run by other settings than its production."""

    def tell(self) -> None:
        browser = ApiClient()
        browser.get(AUTH + "csrf/", secure=True)
        assert list(browser.cookies) == ["__Host-csrftoken"]
        with override_settings(
            SESSION_COOKIE_NAME="sessionid",
            SESSION_COOKIE_SECURE=False,
            CSRF_COOKIE_NAME="csrftoken",
            CSRF_COOKIE_SECURE=False,
        ):
            super().tell()


STORIES: dict[str, type[Story]] = {
    "lagging replica": WithReplica,
    "AllowAllUsersModelBackend": AllowsAll,
    "RemoteUserMiddleware": RemoteUser,
    "summer time begins": InSummer,
    "summer time ends": InSummer,
    "proxy of the user model": ByProxy,
    "e-mail": ByEmail,
    "names without regard to case": Caseless,
    "single sign-on only": SingleSignOn,
    "engine switched back": SwitchedBack,
    "staff who may only delete users": ByStaff,
    "subpath": BelowAPath,
    "split settings": Split,
}


def tell() -> None:
    setup_test_environment()
    for alias in settings.DATABASES:
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    STORIES.get(PROJECT, Story)().tell()
    print("The end")  # noqa: T201 # to test_projects.py
