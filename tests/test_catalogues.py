"""Each sentence that a person may see is marked, and each catalogue has it."""

import ast
import gettext
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import django
import messages
import pytest
from django.apps import apps
from django.template.base import TextNode
from django.utils.functional import Promise

from session_auth import exceptions
from session_auth.admin import REASONS
from session_auth.exceptions import SessionAuthError
from session_auth.middleware import INTERRUPTED
from session_auth.signals import EndReason

CATALOGUES = [
    pytest.param(app, language, id=f"{app.name}-{language}")
    for app in messages.APPS
    for language in messages.PLURALS
]

FOR_DEVELOPERS = ("checks", "doctor", "management", "migrations", "openapi")
"""Folders whose sentences are English: who reads them runs a command."""

FILES_FOR_DEVELOPERS = ("conf.py", "flaws.py", "testing.py")
"""Files that are for the same readers; the doctor tells of flaws."""

RAISED_AT_DEVELOPERS = frozenset(
    {"CommandError", "ImproperlyConfigured", "SessionInterrupted", "TypeError", "ValueError"}
    | {"ConnectionError", "FieldError", "LookupError", "RuntimeError"}
    | {"TimeoutError", "UpdateError", "misfit"}
)
ENGLISH: dict[str, str] = {
    "Cannot parse request body": "Ninja says so",
    "Forbidden": "Ninja says so",
    "Too many requests.": "Ninja says so",
    "Unauthorized": "Ninja says so",
    "Value error, ": "pydantic says so",
    INTERRUPTED: "as Django has it, on a page of Django's",
}
"""What looks like a sentence for people, and why it is none."""

SQL = re.compile(r"(?:[A-Z]{4,}|FOR|OR) .*", re.DOTALL)

LOGGED = ("Sec-Fetch-", "Taken here: ")
"""How reasons of a failed CSRF check begin, for the log and the hint."""

SENTENCE = re.compile(r"[A-Z][\w'-]*,? .*|[A-Z]\w+[.:!?]", re.DOTALL)


def sources() -> Iterator[Path]:
    for path in messages.ROOT.rglob("*.py"):
        if not set(FOR_DEVELOPERS) & set(path.parts) and path.name not in FILES_FOR_DEVELOPERS:
            yield path


def unmarked(text: str) -> Iterator[str]:
    """Yield what a person might read in Python source, and what no function translates."""
    for node in ast.walk(ast.parse(text)):
        for child in ast.iter_child_nodes(node):
            vars(child)["parent"] = node
        value: object = node.value if isinstance(node, ast.Constant) else None
        if not isinstance(value, str) or SQL.fullmatch(value):
            continue
        if SENTENCE.fullmatch(value) and not is_excused(node):
            yield value


def is_excused(node: ast.AST) -> bool:
    """Say whether the text is marked, or for developers: a docstring, a hint, a log, a misuse."""
    above: ast.AST | None = node
    while above is not None and not isinstance(above, ast.FunctionDef | ast.ClassDef):
        if isinstance(above, ast.Expr) and isinstance(above.value, ast.Constant):
            return True
        if isinstance(above, ast.keyword) and above.arg == "hint":
            return True
        if isinstance(above, ast.Assign | ast.AnnAssign):
            targets = above.targets if isinstance(above, ast.Assign) else [above.target]
            if [ast.unparse(each) for each in targets] == ["hint"]:
                return True
        if isinstance(above, ast.Call):
            called = ast.unparse(above.func)
            if called in {*messages.MARKS, *RAISED_AT_DEVELOPERS} or called.startswith("logger."):
                return True
        above = vars(above).get("parent")
    return False


def test_each_sentence_in_python_is_marked() -> None:
    found = {
        f"{path.relative_to(messages.ROOT)}: {text}"
        for path in sources()
        for text in unmarked(path.read_text())
        if text not in {*ENGLISH, *NAMES} and not text.startswith(LOGGED)
    }

    assert found == set()


def test_each_text_of_a_template_is_marked() -> None:
    for path in messages.ROOT.rglob("templates/**/*.*"):
        if path.name == "audit.html":  # a report for developers, by a command
            continue
        nodes = messages.nodes_of(path.read_text())
        texts = "".join(node.s for node in nodes if isinstance(node, TextNode))
        bare = re.sub(r"<[^>]*>|&\w+;", "", texts)
        assert not re.search(r"[A-Za-z]{2}", bare), (path.name, bare.strip())


def test_what_is_not_marked_is_found() -> None:
    source = 'class A:\n    """Doc it is."""\n    hint = "Do it."\n    message = "Ask again."\n'

    assert list(unmarked(source)) == ["Ask again."]


def test_each_refusal_says_its_sentence_in_the_language_of_the_answer() -> None:
    for name in exceptions.__all__:
        refusal = getattr(exceptions, name)
        assert issubclass(refusal, SessionAuthError)
        assert isinstance(getattr(refusal, "message", REASONS[EndReason.IDLE]), Promise), name


def test_each_reason_for_an_end_has_a_name_in_the_admin() -> None:
    assert set(REASONS) == set(EndReason)


def test_each_model_is_named_for_people() -> None:
    for model in apps.get_app_config("session_auth").get_models():
        assert isinstance(model._meta.verbose_name, Promise), model
        assert isinstance(model._meta.verbose_name_plural, Promise), model


@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_a_catalogue_has_all_that_is_marked_and_no_more(app: Path, language: str) -> None:
    header, catalogue = messages.read(messages.path_of(app, language))

    assert header == messages.header_of(language)
    assert set(catalogue) == messages.marked(app)
    forms = int(messages.PLURALS[language][9])
    for message, texts in catalogue.items():
        assert all(texts), message.id
        assert len(texts) == (forms if message.plural else 1), message.id
        for text in texts:
            assert fields(text) == fields(message.plural or message.id), message.id


@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_what_django_says_too_is_said_as_django_says_it(app: Path, language: str) -> None:
    """So that a page says a thing in one way, and no sentence of ours replaces one of Django's."""
    said: dict[str, set[str]] = {}
    for path in Path(django.__file__).parent.glob(f"**/locale/{language}/LC_MESSAGES/django.mo"):
        with path.open("rb") as file:
            catalogue = vars(gettext.GNUTranslations(file))["_catalog"]
        for key, text in catalogue.items():
            said.setdefault(key, set()).add(text)
    _header, ours = messages.read(messages.path_of(app, language))

    assert "Log out" in said
    for message, texts in ours.items():
        assert texts[0] in said.get(message.key, texts), message


@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_what_is_compiled_is_what_is_written(app: Path, language: str) -> None:
    path = messages.path_of(app, language)
    header, catalogue = messages.read(path)
    compiled = path.with_suffix(".mo")

    assert compiled.read_bytes() == messages.compiled(header, catalogue), (
        "Run python scripts/messages.py."
    )
    with compiled.open("rb") as file:  # as the standard library reads it
        translation = gettext.GNUTranslations(file)
    for message, texts in catalogue.items():
        if message.plural:
            assert translation.ngettext(message.id, message.plural, 1) == texts[0]
            assert translation.ngettext(message.id, message.plural, 100) == texts[-1]
        elif message.context:
            assert translation.pgettext(message.context, message.id) == texts[0]
        else:
            assert translation.gettext(message.id) == texts[0]


def test_a_fuzzy_entry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    path.write_text('msgid ""\nmsgstr ""\n\n#, fuzzy\nmsgid "a"\nmsgstr "b"\n')

    with pytest.raises(ValueError, match="fuzzy"):
        messages.read(path)


def test_the_script_keeps_what_is_translated_and_names_what_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = tmp_path / "app"
    (app / "templates").mkdir(parents=True)
    (app / "code.py").write_text('_("One thing.")\nngettext("%(n)d egg", "%(n)d eggs", 2)\n')
    (app / "templates/a.txt").write_text('{% load i18n %}{% translate "A \\"b\\"" %}')
    monkeypatch.setattr(messages, "APPS", (app,))
    monkeypatch.setattr(messages, "PLURALS", {"de": messages.PLURALS["de"]})
    path = messages.path_of(app, "de")
    known: messages.Catalogue = {
        messages.Message("One thing."): ("Eines.",),
        messages.Message("Gone."): ("Weg.",),
    }
    messages.write(path, messages.header_of("de"), known)

    assert messages.main() == 1
    assert "de: %(n)d egg\n" in capsys.readouterr().out
    _header, catalogue = messages.read(path)
    assert catalogue == {
        messages.Message("One thing."): ("Eines.",),
        messages.Message("%(n)d egg", "%(n)d eggs"): ("", ""),
        messages.Message('A "b"'): ("",),
    }
    full: messages.Catalogue = {
        message: tuple("x" for _ in texts) for message, texts in catalogue.items()
    }
    messages.write(path, messages.header_of("de"), full)
    assert messages.main() == 0


def fields(text: str) -> Counter[str]:
    return Counter(re.findall(r"%\(\w+\)[sd]", text))


NAMES = frozenset(
    {"Chrome Mobile", "Chrome Mobile WebView", "Chrome Mobile iOS", "Chrome OS", "Edge Mobile"}
    | {"DuckDuckGo Mobile", "Firefox Mobile", "Firefox iOS", "Mac OS X", "Mobile Safari"}
    | {"Opera Mobile", "Samsung Internet", "Yandex Browser", "Session data corrupted"}
)
"""Names of browsers and systems; and what Django logs."""
