"""Passwords that other code checks and sets: the admin, Django's own form, a project's views."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import views as django_views
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.core import mail
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from django.views import View
from ninja import NinjaAPI
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.generics import GenericAPIView

from session_auth import throttling
from session_auth.models import GuessCount, PendingMail, Session
from session_auth.passwords import PasswordChangeForm as OurForm
from session_auth.views import PasswordChangeView
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.checking import deployed
from tests.password_calls import NEW, can_log_in

pytestmark = pytest.mark.django_db

ADMIN = "/admin/password_change/"
FORM = "/accounts/password_change/"
OURS = "/accounts/ours/"


def change_view(form_class: type) -> Any:
    return django_views.PasswordChangeView.as_view(
        form_class=form_class, success_url="/", template_name="admin/login.html"
    )


urlpatterns = [
    path("", include("tests.urls")),
    path("accounts/password_change/", change_view(PasswordChangeForm)),
    path("accounts/ours/", change_view(OurForm)),
]


@pytest.fixture(autouse=True)
def urls() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture
def staff(alice: User) -> Client:
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    client = Client()
    client.post("/admin/login/", {"username": "alice", "password": PASSWORD})
    return client


def change(client: Client, where: str, old: str, **extra: Any) -> Any:
    data = {"old_password": old, "new_password1": NEW, "new_password2": NEW}
    return client.post(where, data, **extra)


@pytest.mark.parametrize("where", [ADMIN, FORM, OURS])
def test_guesses_at_an_old_password_are_counted_wherever_the_form_is(
    staff: Client, where: str, caplog: Any
) -> None:
    tries = [change(staff, where, f"wrong-{n}").status_code for n in range(6)]
    refused = change(staff, where, PASSWORD)

    assert tries == [200] * 5 + [429]
    assert refused.status_code == 429
    assert can_log_in(PASSWORD)
    events = [vars(each)["event"] for each in caplog.records if hasattr(each, "event")]
    assert events.count("password_change_failed") == 5
    assert events.count("throttled") == 2


@pytest.mark.parametrize("where", [ADMIN, FORM, OURS])
def test_a_right_old_password_is_taken_back_and_the_change_is_told(
    staff: Client, where: str, caplog: Any
) -> None:
    change(staff, where, "wrong")
    caplog.clear()

    response = change(staff, where, PASSWORD, REMOTE_ADDR="9.9.9.9", HTTP_USER_AGENT="x" * 9)

    assert response.status_code == 302
    assert set(GuessCount.objects.values_list("failures", flat=True)) == {0}
    [event] = [vars(each) for each in caplog.records if hasattr(each, "event")]
    assert (event["event"], event["path"], event["by"]) == (
        "password_changed",
        where,
        User.objects.get(username="alice").pk,
    )
    [notice] = mail.outbox
    assert notice.to == ["alice@example.org"]
    assert "IP address: 9.9.9.9\n" in notice.body
    assert can_log_in(NEW)


@pytest.mark.parametrize("where", [ADMIN, FORM])
def test_a_change_elsewhere_ends_the_other_sessions(staff: Client, where: str) -> None:
    other = signed_in()

    change(staff, where, PASSWORD)

    assert Session.objects.count() == 1
    assert staff.get("/admin/").status_code == 200
    assert other.user() is None


def test_an_old_password_is_not_counted_outside_a_request(alice: User) -> None:
    data = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}

    valid = [PasswordChangeForm(alice, data).is_valid() for _ in range(7)]

    assert not any(valid)
    assert PasswordChangeForm(alice, data | {"old_password": PASSWORD}).is_valid()
    assert not GuessCount.objects.exists()


def test_an_old_password_that_is_longer_than_any_is_wrong(staff: Client) -> None:
    response = change(staff, FORM, "x" * 5000)

    assert response.status_code == 200
    assert "old_password" in response.context["form"].errors


def test_a_password_that_staff_set_is_told_to_its_user(
    staff: Client, bob: User, caplog: Any
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@example.org")
    bob_is_here = signed_in("bob")
    caplog.clear()

    staff.post(
        f"/admin/auth/user/{bob.pk}/password/",
        {"password1": NEW, "password2": NEW, "usable_password": "true"},
        REMOTE_ADDR="9.9.9.9",
    )

    assert bob_is_here.user() is None
    events = [vars(each) for each in caplog.records if hasattr(each, "event")]
    assert [(each["event"], each["user_id"]) for each in events] == [
        ("session_ended", bob.pk),
        ("password_changed", bob.pk),
    ]
    assert events[1]["by"] == User.objects.get(username="alice").pk
    [notice] = mail.outbox
    assert notice.to == ["bob@example.org"]
    assert "Somebody who runs the site has changed" in notice.body
    assert "9.9.9.9" not in notice.body


def test_a_script_that_sets_passwords_sends_no_mail(alice: User, bob: User) -> None:
    alice.set_password(NEW)
    alice.save()

    assert not PendingMail.objects.exists()
    assert mail.outbox == []


def test_who_has_never_logged_in_is_not_told(staff: Client, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@example.org")
    staff.post(
        f"/admin/auth/user/{bob.pk}/password/",
        {"password1": NEW, "password2": NEW, "usable_password": "true"},
    )

    assert ApiClient().log_in("bob", NEW).status_code == 200
    assert mail.outbox == []


def test_who_has_no_mail_address_is_not_told(staff: Client) -> None:
    User.objects.update(email="")

    change(staff, ADMIN, PASSWORD)

    assert mail.outbox == []
    assert can_log_in(NEW)


def check_in_view(request: HttpRequest) -> HttpResponse:  # pragma: no cover # read, never called
    assert request.user.is_authenticated
    return HttpResponse(str(request.user.check_password("x")))


def counted_in_view(request: HttpRequest) -> HttpResponse:  # pragma: no cover # read, never called
    assert request.user.is_authenticated
    guess = throttling.reserve(request, request.user, "x")
    return HttpResponse(str(guess.accept(request.user.check_password("x"))))


class ClassView(View):
    async def post(self, request: HttpRequest) -> HttpResponse:  # pragma: no cover # never called
        assert isinstance(request.user, User)
        return HttpResponse(str(await request.user.acheck_password("x")))


class OldForm(PasswordChangeForm):
    def clean_old_password(self) -> str:  # pragma: no cover # read, never called
        return str(self.user.check_password(self.cleaned_data["old_password"]))


class OldSerializer(serializers.Serializer):  # type: ignore[misc]  # without stubs
    def validate_old_password(self, value: str) -> str:  # pragma: no cover # read, never called
        return str(self.context["request"].user.check_password(value))


class SerializerView(GenericAPIView):  # type: ignore[misc]  # without stubs
    serializer_class = OldSerializer


def ninja_urls() -> Any:
    api = NinjaAPI(urls_namespace="old-passwords")
    api.post("confirm")(check_in_view)
    return api.urls


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (check_in_view, ["session_auth.E112"]),
        (counted_in_view, []),
        (ClassView.as_view(), ["session_auth.E112"]),
        (change_view(OldForm), ["session_auth.E112"]),
        (change_view(PasswordChangeForm), []),
        (SerializerView.as_view(), ["session_auth.E112"]),
        (api_view(["POST"])(check_in_view), ["session_auth.E112"]),
    ],
)
def test_views_that_check_passwords_by_themselves_are_found(view: Any, expected: list[str]) -> None:
    patterns = (path("confirm/", view),)

    assert [each for each in deployed(ROOT_URLCONF=patterns) if each.endswith("E112")] == expected


def test_operations_of_ninja_that_check_passwords_are_found() -> None:
    assert "session_auth.E112" in deployed(ROOT_URLCONF=(path("", ninja_urls()),))


def test_a_right_old_password_above_the_ceiling_changes_nothing(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where a form of the project's own checks it."""

    class OwnForm(OurForm):
        def clean_old_password(self) -> str:
            return str(self.cleaned_data["old_password"])

    here = signed_in()
    monkeypatch.setattr(throttling, "CEILING", 0)
    monkeypatch.setattr(PasswordChangeView, "form_class", OwnForm)

    response = here.call(
        "POST", AUTH + "password/change/", {"old_password": PASSWORD, "new_password": NEW}
    )

    assert (response.status_code, list(response.json()["fields"])) == (400, ["old_password"])
    assert not can_log_in(NEW)
