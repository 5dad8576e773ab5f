"""The language of an answer: that of its request, wherever in the stack it is made."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from session_auth import later, mails, passwords
from session_auth.exceptions import NotFound, SessionAuthError
from session_auth.keys import new_session_key
from session_auth.languages import language_of
from tests.api_client import AUTH, ApiClient, signed_in

LOCALE = "django.middleware.locale.LocaleMiddleware"
LINKS = {"SESSION_AUTH_PASSWORD_RESET_URL": "https://example.org/{uid}/{token}"}
TWICE = "sessionid=a; sessionid=b"
TRY_AGAIN = {
    "de": "Versuchen Sie es noch einmal. Wenn das nicht hilft, löschen Sie die Cookies dieser "
    "Website.",
    "fr": "Réessayez. Si cela ne suffit pas, effacez les cookies de ce site.",
    "en": "Try again. If that does not help, clear the cookies of this site.",
}


def with_locale(*more: str) -> list[str]:
    """Return the middleware with Django's for languages, where Django's docs put it."""
    found = list(settings.MIDDLEWARE)
    found.insert(found.index("session_auth.middleware.SessionMiddleware") + 1, LOCALE)
    return [*found, *more]


@pytest.fixture(autouse=True)
def no_language_is_left() -> Iterator[None]:
    yield
    translation.deactivate()


class Forgetful:
    """Resets the language once there is an answer, as middleware of some projects do."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        translation.deactivate()
        return response


class UsersOwn(Forgetful):
    """Activates a language that the project has for the user."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        translation.activate("fr")
        return self.get_response(request)


def error(response: Any) -> str:
    return str(response.json()["error"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("de", "Melden Sie sich zuerst an."),
        ("de-AT, en;q=0.5", "Melden Sie sich zuerst an."),
        ("fr", "Connectez-vous d\u2019abord."),
        ("es-MX", "Inicie sesión primero."),
        ("ja", "先にログインしてください。"),
        ("pt-BR", "Entre na sua conta primeiro."),
        ("pt", "Inicie sessão primeiro."),
        ("pt-AO", "Inicie sessão primeiro."),
        ("zh-CN", "请先登录。"),
        ("zh-Hans", "请先登录。"),
        ("tlh", "Log in first."),
    ],
)
@override_settings(MIDDLEWARE=with_locale())
def test_an_answer_is_in_the_language_of_the_request(db: None, asked: str, said: str) -> None:
    response = Client(headers={"Accept-Language": asked}).get(AUTH + "sessions/")

    assert (error(response), response.json()["code"]) == (said, "not_authenticated")


@pytest.mark.parametrize("make", [Client, AsyncClient])
@override_settings(MIDDLEWARE=with_locale())
def test_at_the_door_the_language_of_the_last_request_is_not_taken(db: None, make: Any) -> None:
    client = make()

    def ask(language: str) -> Any:
        headers = {"Accept-Language": language, "Cookie": TWICE}
        call = client.get
        if make is AsyncClient:
            call = async_to_sync(call)
        return call(AUTH + "user/", headers=headers)

    translation.activate("fr")  # as another request of this thread has left it

    assert [error(ask(language)) for language in ("de", "fr", "en")] == list(TRY_AGAIN.values())


def test_without_the_middleware_the_language_of_the_project_is_taken(db: None) -> None:
    with override_settings(LANGUAGE_CODE="de"):
        response = Client(headers={"Accept-Language": "fr", "Cookie": TWICE}).get(AUTH + "user/")

    assert error(response) == TRY_AGAIN["de"]


@pytest.mark.parametrize("path", ["/api/nowhere/", "/api/ended-meanwhile/"])
@pytest.mark.parametrize("more", [[], [f"{__name__}.Forgetful"]])
@override_settings(SESSION_AUTH_API_PATHS=["/api/"])
def test_what_is_made_of_a_page_on_the_way_out_is_in_that_language(
    alice: User, path: str, more: list[str]
) -> None:
    here = signed_in()

    with override_settings(MIDDLEWARE=with_locale(*more)):
        client = Client(headers={"Accept-Language": "de"})
        client.cookies = here.cookies
        response = client.get(path)

    said = {"not_found": "Das gibt es nicht."}
    said["session_ended"] = "Ihre Sitzung wurde beendet. Melden Sie sich erneut an."
    assert error(response) == said[response.json()["code"]]


@override_settings(SESSION_AUTH_API_PATHS=["/api/"], MIDDLEWARE=with_locale(f"{__name__}.UsersOwn"))
def test_the_language_that_a_project_activates_later_wins(db: None) -> None:
    response = Client(headers={"Accept-Language": "de"}).get("/api/nowhere/")

    assert error(response) == "Cet élément n\u2019existe pas."


@override_settings(MIDDLEWARE=with_locale())
def test_text_in_the_window_says_how_it_is_encoded(outage: None) -> None:
    client = Client(headers={"Accept-Language": "fr"})
    client.cookies["sessionid"] = new_session_key()

    response = client.get("/page/")

    assert response.status_code == 503
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode() == (
        "Les sessions ne sont pas disponibles pour le moment. Réessayez dans un instant."
    )


def test_a_path_says_the_language_where_the_project_has_such_paths() -> None:
    request = RequestFactory().get("/fr/", headers={"Accept-Language": "de"})
    request.urlconf = __name__

    with override_settings(MIDDLEWARE=with_locale()), language_of(request):
        assert translation.get_language() == "fr"


def test_a_sentence_is_said_when_it_is_asked_for() -> None:
    refusal = SessionAuthError(_("Use https."))
    refusal.hint = "Behind a proxy, set SECURE_PROXY_SSL_HEADER."

    with translation.override("de"):
        assert str(refusal) == f"Verwenden Sie https. {refusal.hint}"
    assert str(NotFound()) == "There is no such thing."


def no_language(user: User) -> None:
    return None


def spanish(user: User) -> str:
    return "es"


@pytest.mark.parametrize(
    ("known", "subject"),
    [
        (None, "Ihr neues Passwort für example.org"),
        (no_language, "Ihr neues Passwort für example.org"),
        (spanish, "Su contraseña nueva para example.org"),
    ],
)
@override_settings(MIDDLEWARE=with_locale(), **LINKS)
def test_a_mail_is_in_the_language_of_its_user_else_of_the_request(
    alice: User, known: Any, subject: str
) -> None:
    path = None if known is None else f"{__name__}.{known.__name__}"
    browser = ApiClient(headers={"Accept-Language": "de"})

    with override_settings(SESSION_AUTH_USER_LANGUAGE=path):
        browser.call("POST", AUTH + "password/reset/", {"email": "alice@example.org"})

    assert [message.subject for message in mail.outbox] == [subject]


@override_settings(MIDDLEWARE=with_locale(), LANGUAGE_CODE="de", **LINKS)
def test_what_others_cause_is_told_in_the_language_of_the_site(alice: User) -> None:
    signed_in()  # nobody who has never been here is told
    User.objects.create_superuser("root", "root@example.org", "x")
    staff = Client(headers={"Accept-Language": "fr"})
    staff.force_login(User.objects.get(username="root"))

    form = {"action": "send_link", "_selected_action": [str(alice.pk)]}
    staff.post("/admin/auth/user/", form)
    form = {"password1": "long enough 1", "password2": "long enough 1", "usable_password": "true"}
    staff.post(f"/admin/auth/user/{alice.pk}/password/", form)

    assert [message.subject for message in mail.outbox] == [
        "Ihr neues Passwort für example.org",
        "Ihr Passwort wurde geändert",
    ]


@override_settings(**LINKS)
def test_a_mail_is_text_and_html_that_say_the_same(alice: User) -> None:
    alice.username = "<b>eve</b> https://evil.example"
    alice.save()

    passwords.send_links(form_for(alice))

    [message] = cast("list[EmailMultiAlternatives]", mail.outbox)
    html = str(message.alternatives[0][0])
    assert "for <b>eve</b> https://evil.example at" in message.body
    assert "for &lt;b&gt;eve&lt;/b&gt; https://evil.example at" in html
    assert html.count("<a href=") == html.count('<a href="https://example.org/') == 2
    assert ">Choose a new password</a>" in html
    assert "<table" not in html
    assert "<img" not in html


def form_for(user: User) -> Any:
    form = passwords.PasswordResetForm({"email": user.email})
    assert form.is_valid()
    return form


def test_a_project_changes_the_text_and_the_html_follows(alice: User, settings: Any) -> None:
    name, frame = "session_auth/password_changed_email.txt", "session_auth/email.html"
    own = {name: "Ours.\n\nFor {{ user }}.", frame: "<i>{{ paragraphs|join:'|' }}</i>"}
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    ("django.template.loaders.locmem.Loader", own),
                    "django.template.loaders.app_directories.Loader",
                ]
            },
        }
    ]

    passwords.send_notice(alice.pk, ip="", user_agent="")

    [message] = cast("list[EmailMultiAlternatives]", mail.outbox)
    assert message.body == "Ours.\n\nFor alice.\n"
    assert message.alternatives[0][0] == "<i>Ours.|For alice.</i>"


def test_the_mails_can_be_looked_at(
    db: None, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("preview_mails", "--language", "ja")
    call_command("preview_mails", "--to", str(tmp_path / "mails"))

    assert "Subject: パスワードが変更されました" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "mails").iterdir()}
    assert {"password_reset.txt", "password_reset.html", "ceiling_reached.html"} <= names
    text = (tmp_path / "mails/password_changed.by_staff.txt").read_text(encoding="utf-8")
    assert text.startswith("Subject: Your password was changed\n\nSomebody who runs the site")
    assert not mail.outbox


def test_each_kind_of_mail_has_a_sample_and_a_row_in_the_docs() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "mails.md").read_text()
    told = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))

    assert set(mails.samples) == set(later.senders)
    assert told == {*mails.samples, "factor_changed"}  # which another app sends


def test_sentences_that_are_not_said_are_not_looked_up(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = signed_in()
    asked: list[str] = []
    monkeypatch.setattr("django.utils.translation._trans.gettext", asked.append)

    assert here.user()["username"] == "alice"
    assert asked == []


urlpatterns = i18n_patterns()
