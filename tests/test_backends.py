"""Calls of authenticate() from anywhere: the admin, an async view, the code of a project."""

import asyncio
import contextvars
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest
from django.test import Client, RequestFactory, override_settings
from django.test.client import AsyncClient

from session_auth import throttling
from session_auth.backends import ModelBackend, ThrottleMixin
from session_auth.exceptions import Throttled
from session_auth.models import GuessCount
from session_auth.views import LoginView
from tests.api_client import PASSWORD, ApiClient
from tests.guessing import COUNTING, HOME, caller, device_cookie, failures, guess, hashed

pytestmark = pytest.mark.django_db

ADMIN_LOGIN = "/admin/login/"
DJANGOS = "django.contrib.auth.backends.ModelBackend"
OURS = "session_auth.backends.ModelBackend"


class Tokens(BaseBackend):
    """Finds users by something that nobody can guess."""

    def authenticate(self, request: Any, token: str | None = None, **credentials: Any) -> Any:
        return User.objects.filter(email=token).first()


class Directory(BaseBackend):
    """Checks passwords elsewhere, as LDAP does."""

    def authenticate(
        self, request: Any, username: str = "", password: str = "", **credentials: Any
    ) -> Any:
        if password != "the directory's":
            return None
        return User.objects.get_or_create(username=username)[0]

    async def aauthenticate(self, request: Any, **credentials: Any) -> Any:
        user = await User.objects.aget(username="alice")
        return user if credentials["password"] == "the directory's" else None


class ThrottledDirectory(ThrottleMixin, Directory):
    pass


class ByEmail(ThrottleMixin, Directory):
    def account_name(self, username: str | None, credentials: Any) -> str | None:
        return credentials.get("email") or username

    def authenticate(self, request: Any, **credentials: Any) -> Any:  # type: ignore[override]  # its own credentials
        return super().authenticate(request, **credentials)


class NewHasher(MD5PasswordHasher):
    algorithm = "new_md5"


@pytest.fixture
def staff(alice: User) -> User:
    alice.is_staff = True
    alice.save()
    return alice


def admin_guess(client: Client, password: str = PASSWORD + "x") -> Any:
    return client.post(ADMIN_LOGIN, {"username": "alice", "password": password})


def test_the_login_of_the_admin_is_throttled_with_a_page_of_plain_text(
    staff: User, clock: Any
) -> None:
    client = Client()
    assert [admin_guess(client).status_code for _ in range(5)] == [200] * 5

    response = admin_guess(client, PASSWORD)

    assert response.status_code == 429
    assert response.headers["Retry-After"] == "30"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content == b"Too many attempts. Try again later."


def test_the_admin_and_the_endpoints_share_their_counts(staff: User) -> None:
    guess(ApiClient(), 3)
    client = Client()

    assert [admin_guess(client).status_code for _ in range(3)] == [200, 200, 429]


def test_a_login_in_the_admin_gives_the_guesses_back_and_knows_the_device(staff: User) -> None:
    client = Client()
    admin_guess(client)

    response = admin_guess(client, PASSWORD)

    assert response.status_code == 302
    assert set(response.cookies) >= {"sessionid", "sessionid_device"}
    guess(ApiClient(), 6)
    assert admin_guess(client, PASSWORD).status_code == 302


def test_a_guess_counts_once_at_an_endpoint_and_in_the_backend(alice: User) -> None:
    guess(ApiClient(), 1)

    assert failures() == [1, 1, 1]


class TwicePasswords(AuthenticationForm):
    """Tries the password as it was typed, and with the case that it has without caps lock."""

    def clean(self) -> dict[str, Any]:
        name, typed = self.cleaned_data["username"], self.cleaned_data["password"]
        for password in [typed, typed, typed.swapcase()]:
            self.user_cache = authenticate(self.request, username=name, password=password)
            if self.user_cache is not None:
                return self.cleaned_data
        raise self.get_invalid_login_error()


def test_a_form_that_tries_two_passwords_makes_two_guesses(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoginView, "form_class", TwicePasswords)

    assert guess(ApiClient(), 1) == [401]
    assert failures() == [2, 2, 2]
    assert ApiClient().log_in(password=PASSWORD.upper()).status_code == 200


@override_settings(AUTHENTICATION_BACKENDS=[DJANGOS])
def test_the_endpoints_count_without_the_backend(alice: User) -> None:
    assert guess(ApiClient(), 6) == [401] * 5 + [429]


@override_settings(AUTHENTICATION_BACKENDS=[OURS, DJANGOS])
def test_beside_djangos_own_backend_a_guess_counts_once(alice: User) -> None:
    assert guess(ApiClient(), 6) == [401] * 5 + [429]


@override_settings(AUTHENTICATION_BACKENDS=[OURS, f"{__name__}.ThrottledDirectory"])
def test_of_two_backends_that_count_the_second_may_let_a_user_in(alice: User) -> None:
    request = RequestFactory().post("/")

    for _ in range(9):
        assert authenticate(request, username="alice", password="the directory's") == alice
    for n in range(5):
        assert authenticate(request, username="alice", password=f"wrong-{n}") is None
    with pytest.raises(Throttled):
        authenticate(request, username="alice", password="wrong")


def test_without_a_request_whoever_is_throttled_is_nobody(alice: User) -> None:
    """As authenticate() and the login() of Django's test client promise."""
    assert [Client().login(username="alice", password="wrong") for _ in range(8)] == [False] * 8
    assert authenticate(username="alice", password=PASSWORD) is None
    with pytest.raises(Throttled):
        authenticate(RequestFactory().post("/"), username="alice", password=PASSWORD)


@override_settings(AUTHENTICATION_BACKENDS=[OURS, f"{__name__}.ThrottledDirectory"])
def test_without_a_request_two_backends_that_count_are_asked_for_one_guess(alice: User) -> None:
    for _ in range(9):
        assert authenticate(username="alice", password="the directory's") == alice
    for _ in range(5):
        assert authenticate(username="alice", password="wrong") is None

    assert failures() == [5, 5]


@override_settings(AUTHENTICATION_BACKENDS=[OURS, f"{__name__}.Directory"])
def test_without_a_request_a_backend_that_counts_nothing_leaves_no_guess_behind(
    alice: User,
) -> None:
    """The next call is about the user as they are by then."""
    assert authenticate(username="alice", password="the directory's") == alice
    alice.set_password("the directory's")
    alice.save()

    with override_settings(AUTHENTICATION_BACKENDS=[OURS]):
        assert authenticate(username="alice", password="the directory's") == alice


def test_without_a_request_a_guess_is_one_in_a_new_thread_too(alice: User) -> None:
    context = contextvars.Context()  # a new one, without guesses

    assert context.run(authenticate, username="alice", password="wrong") is None

    assert failures() == [1, 1]


def test_a_login_after_a_wrong_guess_in_the_same_request_makes_the_device_known(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoginView, "form_class", TwicePasswords)

    here = ApiClient()
    here.log_in(password=PASSWORD.upper())

    assert device_cookie(here) != ""


def test_a_backend_that_is_asked_directly_counts_each_password(alice: User) -> None:
    """No signal ends such a call: the same password is no new guess, another one is."""
    backend, request = ModelBackend(), RequestFactory().post("/")

    assert [backend.authenticate(None, "alice", f"wrong-{n // 2}") for n in range(6)] == [None] * 6
    assert [backend.authenticate(request, "alice", f"wrong-{n}") for n in (0, 0)] == [None] * 2

    assert failures() == [1, 4, 4]


def test_parallel_guesses_in_one_request_are_counted_each(alice: User, bob: User) -> None:
    """For example by aliases in GraphQL: with other passwords, and at other accounts."""
    request = RequestFactory().post("/")

    async def call() -> list[Any]:
        names = ["alice", "alice", "alice", "bob"]
        return await asyncio.gather(
            *[
                aauthenticate(request, username=name, password=f"wrong-{n // 2}")
                for n, name in enumerate(names)
            ]
        )

    assert async_to_sync(call)() == [None] * 4

    assert failures() == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("backend", [OURS, f"{__name__}.ThrottledDirectory"])
@pytest.mark.django_db(transaction=True)
def test_async_code_is_throttled_alike(alice: User, backend: str) -> None:
    right = PASSWORD if backend == OURS else "the directory's"

    async def call(password: str, request: HttpRequest | None = None) -> Any:
        return await aauthenticate(request, username="alice", password=password)

    with override_settings(AUTHENTICATION_BACKENDS=[backend]):
        assert async_to_sync(call)(right) == alice
        for _ in range(5):
            assert async_to_sync(call)("wrong") is None
        assert async_to_sync(call)(right) is None
        with pytest.raises(Throttled):
            async_to_sync(call)(right, RequestFactory().post("/"))


class Nobody(BaseBackend):
    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        return None


class CountedNobody(ThrottleMixin, Nobody):
    pass


@pytest.mark.django_db(transaction=True)
def test_an_async_guess_counts_once_where_a_backend_has_no_async_twin(alice: User) -> None:
    async_to_sync(CountedNobody().aauthenticate)(None, username="alice", password="wrong")

    assert failures() == [1, 1]


@pytest.mark.django_db(transaction=True)
def test_the_admin_is_throttled_under_asgi(staff: User) -> None:
    client = AsyncClient()

    async def statuses() -> list[int]:
        form = {"username": "alice", "password": "wrong"}
        return [(await client.post(ADMIN_LOGIN, form)).status_code for _ in range(6)]

    assert async_to_sync(statuses)() == [200] * 5 + [429]


def test_credentials_that_nobody_guesses_are_not_counted(alice: User) -> None:
    with override_settings(AUTHENTICATION_BACKENDS=[OURS, f"{__name__}.Tokens"]):
        assert authenticate(None, token="alice@example.org") == alice
        assert authenticate(None, username="alice") is None
    with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.ThrottledDirectory"]):
        assert authenticate(None, username="alice") is None

    assert GuessCount.objects.count() == 0


@override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.ByEmail"])
def test_a_backend_says_which_credential_names_the_account(alice: User, rf: Any) -> None:
    for _ in range(5):
        authenticate(None, email="a@example.org", username="alice", password="wrong")

    with pytest.raises(Throttled):
        authenticate(rf.post("/"), email="A@example.org", username="bob", password="wrong")
    assert authenticate(None, username="bob", password="wrong") is None


def test_the_name_may_come_under_the_name_of_its_field(alice: User) -> None:
    assert ModelBackend().account_name(None, {"username": "alice"}) == "alice"
    assert ModelBackend().account_name(None, {}) is None


@override_settings(AUTHENTICATION_BACKENDS=[OURS, DJANGOS], PASSWORD_HASHERS=COUNTING)
def test_a_password_of_more_than_4096_bytes_reaches_no_hasher(alice: User) -> None:
    """A45"""
    alice.set_password("x" * 4097)
    alice.save()
    hashed.clear()

    assert authenticate(None, username="alice", password="x" * 4097) is None
    assert caller().log_in(password="x" * 4097).json()["code"] == "invalid_credentials"
    assert hashed == []
    assert caller().log_in(password="x" * 4096).status_code == 401
    assert hashed != []


@override_settings(AUTHENTICATION_BACKENDS=[OURS, DJANGOS])
def test_at_the_ceiling_no_other_backend_is_asked(alice: User, clock: Any) -> None:
    for _ in range(throttling.CEILING):
        guess(ApiClient(), 1)
        clock.shift(3600)

    assert authenticate(None, username="alice", password=PASSWORD) is None
    clock.shift(3600)
    assert ApiClient().log_in().status_code == 401


def test_an_inactive_user_is_refused_after_the_same_work(alice: User) -> None:
    alice.is_active = False
    alice.save()

    assert authenticate(None, username="alice", password=PASSWORD) is None
    assert failures() == [1, 1]


@override_settings(
    PASSWORD_HASHERS=[
        f"{__name__}.NewHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
)
def test_an_old_hash_is_brought_up_to_date(alice: User) -> None:
    User.objects.update(password=MD5PasswordHasher().encode(PASSWORD, "salt"))

    assert ApiClient().log_in().status_code == 200
    assert User.objects.get().password.startswith("new_md5$")


# Under ATOMIC_REQUESTS


@pytest.fixture
def atomic_requests(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


@pytest.mark.parametrize("atomic", [False, True])
def test_a_guess_counts_though_the_request_is_rolled_back(
    atomic_requests: None, monkeypatch: pytest.MonkeyPatch, alice: User, atomic: bool
) -> None:
    """A57: the view raises, or marks its transaction as Django REST framework does."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    client = Client(raise_request_exception=False, REMOTE_ADDR=HOME)
    paths = ["/page/guess-and-fail/", "/page/guess-and-roll-back/"] * 3

    statuses = [
        client.post(path + f"?password=wrong-{n}").status_code for n, path in enumerate(paths)
    ]

    assert statuses[:5] == [500, 401 if atomic else 500, 500, 401 if atomic else 500, 500]
    assert statuses[5] == 429
    assert failures() == [5, 5, 5]


def test_a_guess_counts_though_the_request_is_rolled_back_under_asgi(
    atomic_requests: None, alice: User
) -> None:
    """A57"""
    client = AsyncClient(raise_request_exception=False)

    async def statuses() -> list[int]:
        path = "/page/guess-and-fail/?password=wrong-"
        return [(await client.post(f"{path}{n}")).status_code for n in range(6)]

    assert async_to_sync(statuses)() == [500] * 5 + [429]


def test_a_guess_that_is_committed_counts_once(atomic_requests: None, staff: User) -> None:
    client = Client()

    assert [admin_guess(client).status_code for _ in range(6)] == [200] * 5 + [429]
    assert failures() == [5, 5, 5]


def test_a_right_password_is_no_failure_though_the_request_is_rolled_back(
    atomic_requests: None, alice: User
) -> None:
    client = Client(raise_request_exception=False)

    client.post(f"/page/guess-and-fail/?password={PASSWORD}")

    assert not GuessCount.objects.filter(next_at__gt=0).exists()
    assert guess(ApiClient(), 6) == [401] * 5 + [429]
