"""``{% session_auth_client %}``"""

import re
from base64 import b64encode
from hashlib import sha384
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template import Context, Template
from django.test import override_settings

import session_auth

URL = "/static/session_auth/session-auth.js"
FILE = Path(session_auth.__file__).parent / "static" / "session_auth" / "session-auth.js"


class Nonce:
    """As Django and django-csp have it: false until it is first used."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return 'n"<'


def render(tag: str = "session_auth_client", **context: Any) -> str:
    return Template("{% load session_auth %}{% " + tag + " %}").render(Context(context))


def test_scripts_can_import_the_client_by_name_and_it_loads_early() -> None:
    assert render() == (
        '<script type="importmap">{"imports": {"django-session-auth": "' + URL + '"}}</script>\n'
        f'<script src="{URL}" type="module"></script>'
    )


def test_the_nonce_of_djangos_policy_is_used() -> None:
    html = render(csp_nonce=Nonce())

    assert html.count(' nonce="n&quot;&lt;"') == 2


def test_the_nonce_of_django_csp_is_used() -> None:
    request = HttpRequest()
    request.csp_nonce = Nonce()  # type: ignore[attr-defined]  # set by its middleware

    html = render(request=request)

    assert html.count(' nonce="n&quot;&lt;"') == 2


def test_a_page_without_a_policy_has_no_nonce() -> None:
    assert "nonce" not in render(request=HttpRequest(), csp_nonce=None)


def test_the_integrity_is_that_of_the_file() -> None:
    [integrity] = re.findall(
        'integrity="sha384-([^"]+)"', render("session_auth_client integrity=True")
    )

    assert integrity == b64encode(sha384(FILE.read_bytes()).digest()).decode()


@override_settings(STATICFILES_FINDERS=["django.contrib.staticfiles.finders.FileSystemFinder"])
def test_a_file_that_is_not_found_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(ImproperlyConfigured, match="AppDirectoriesFinder"):
        render("session_auth_client integrity=True")


@override_settings(STATIC_URL="/a&b</script><b>/")
def test_no_url_becomes_markup() -> None:
    html = render()

    assert html.count("</script>") == 2
    assert "<b>" not in html
    assert r"/a\u0026b" in html
