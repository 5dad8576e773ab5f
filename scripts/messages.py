"""Keep the catalogues in step: ``python scripts/messages.py`` after a sentence has changed.

It reads the sentences that are marked in the source, writes them into each ``django.po`` (new ones
without a translation, those that are gone no more), and compiles each ``django.mo``. It needs no
gettext. What Django's own catalogues translate in every language is left to them.
"""

import ast
import gettext
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.template import Engine
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

ROOT = Path(__file__).parents[1] / "src/session_auth"
APPS = (ROOT, ROOT / "factors")
PLURALS = {
    "de": "nplurals=2; plural=(n != 1);",
    "es": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "ja": "nplurals=1; plural=0;",
    "pt": "nplurals=2; plural=(n != 1);",
    "pt_BR": "nplurals=2; plural=(n > 1);",
    "zh_Hans": "nplurals=1; plural=0;",
}
"""The languages, and the plural forms of each."""

MARKS = {
    "_": ("id",),
    "gettext": ("id",),
    "gettext_lazy": ("id",),
    "ngettext": ("id", "plural"),
    "pgettext_lazy": ("context", "id"),
}


@dataclass(frozen=True, slots=True, order=True)
class Message:
    id: str
    plural: str = ""
    context: str = ""

    @property
    def key(self) -> str:
        """What a compiled catalogue looks it up by."""
        return f"{self.context}\4{self.id}" if self.context else self.id


Catalogue = dict[Message, tuple[str, ...]]


def marked(app: Path) -> set[Message]:
    """Return what is marked in the source of ``app``, and not in that of an app inside it."""
    inner = [other for other in APPS if other != app and app in other.parents]
    files = [p for p in app.rglob("*") if not any(each in p.parents for each in inner)]
    found: set[Message] = set()
    for path in files:
        if path.suffix == ".py":
            found.update(in_python(path.read_text()))
        elif "templates" in path.parts and path.is_file():
            found.update(in_template(path.read_text()))
    return {message for message in found if not is_djangos(message)}


def in_python(text: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names = MARKS.get(node.func.id, ())
            yield from [
                Message(**dict(zip(names, map(ast.literal_eval, node.args), strict=False)))
                for _ in names[:1]
            ]


def in_template(text: str) -> Iterator[Message]:
    for node in nodes_of(text):
        if isinstance(node, TranslateNode):
            yield Message(str(node.filter_expression.var.literal))
        elif isinstance(node, BlockTranslateNode):
            plural = node.render_token_list(node.plural)[0] if node.plural else ""
            yield Message(node.render_token_list(node.singular)[0], plural)


def nodes_of(text: str) -> Iterator[Any]:
    """Yield each node of a template, at any depth."""
    engine = Engine(libraries={"i18n": "django.templatetags.i18n"})
    yield from walk(engine.from_string(re.sub(r"{% extends .*? %}", "", text)).nodelist)


def walk(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        for name in (*getattr(node, "child_nodelists", ()), "nodelist"):
            yield from walk(getattr(node, name, None) or ())
        for _condition, inner in getattr(node, "conditions_nodelists", ()):
            yield from walk(inner)


def is_djangos(message: Message) -> bool:
    """Say whether Django says so itself, in each of our languages."""
    return not message.context and all(message.key in djangos(name) for name in PLURALS)


def djangos(language: str, found: dict[str, set[str]] = {}) -> set[str]:  # noqa: B006 # a cache
    if language not in found:
        home = Path(django.__file__).parent
        folders = [home / "conf/locale", home / "contrib/auth/locale"]
        paths = [folder / language / "LC_MESSAGES/django.mo" for folder in folders]
        keys: set[str] = set()
        for path in paths:
            with path.open("rb") as file:
                catalog = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # not in the stubs
            keys |= {key for key in catalog if isinstance(key, str)}
        found[language] = keys
    return found[language]


def path_of(app: Path, language: str) -> Path:
    return app / "locale" / language / "LC_MESSAGES/django.po"


def read(path: Path) -> tuple[str, Catalogue]:
    """Return the header of a ``.po``, and what it translates. Fuzzy entries are refused."""
    catalogue: Catalogue = {}
    header = ""
    for block in re.split(r"\n\n+", path.read_text().strip()) if path.exists() else ():
        if re.search(r"^#,.*\bfuzzy\b", block, re.MULTILINE):
            raise ValueError(f"{path}: fuzzy:\n{block}")
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if not line.startswith('"'):
                name, line = line.split(" ", 1)
            fields[name] = fields.get(name, "") + ast.literal_eval(line)
        message = Message(
            fields["msgid"], fields.get("msgid_plural", ""), fields.get("msgctxt", "")
        )
        texts = tuple(text for name, text in fields.items() if name.startswith("msgstr"))
        if message.id:
            catalogue[message] = texts
        else:
            header = texts[0]
    return header, catalogue


def write(path: Path, header: str, catalogue: Catalogue) -> None:
    blocks = ['msgid ""\nmsgstr ""\n' + "\n".join(map(quoted, header.splitlines(keepends=True)))]
    for message, texts in sorted(catalogue.items()):
        lines = [f"msgctxt {quoted(message.context)}"] if message.context else []
        lines.append(f"msgid {quoted(message.id)}")
        if message.plural:
            lines.append(f"msgid_plural {quoted(message.plural)}")
            lines += [f"msgstr[{number}] {quoted(text)}" for number, text in enumerate(texts)]
        else:
            lines.append(f"msgstr {quoted(texts[0])}")
        blocks.append("\n".join(lines))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(blocks) + "\n")


def quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def compiled(header: str, catalogue: Catalogue) -> bytes:
    """Return the ``.mo`` (GNU gettext, "The Format of GNU MO Files")."""
    pairs = {"": header} | {
        message.key + (f"\0{message.plural}" if message.plural else ""): "\0".join(texts)
        for message, texts in catalogue.items()
        if all(texts)
    }
    both = sorted((key.encode(), text.encode()) for key, text in pairs.items())
    count, start = len(both), 28 + 16 * len(both)
    tables: tuple[list[int], list[int]] = ([], [])
    body = b""
    for side in (0, 1):
        for pair in both:
            tables[side].extend((len(pair[side]), start + len(body)))
            body += pair[side] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    return head + struct.pack(f"<{4 * count}I", *tables[0], *tables[1]) + body


def header_of(language: str) -> str:
    return (
        "Project-Id-Version: django-session-auth\n"
        f"Language: {language}\n"
        "MIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=UTF-8\n"
        "Content-Transfer-Encoding: 8bit\n"
        f"Plural-Forms: {PLURALS[language]}\n"
    )


def main() -> int:
    missing = 0
    for app in APPS:
        messages = marked(app)
        for language, plurals in PLURALS.items():
            path = path_of(app, language)
            _header, known = read(path)
            forms = int(plurals[9])
            catalogue = {
                message: known.get(message, ("",) * (forms if message.plural else 1))
                for message in messages
            }
            write(path, header_of(language), catalogue)
            path.with_suffix(".mo").write_bytes(compiled(header_of(language), catalogue))
            lacking = [message.id for message, texts in catalogue.items() if not all(texts)]
            for text in lacking:
                print(f"{language}: {text}")
            missing += len(lacking)
    return 1 if missing else 0


if not settings.configured:
    settings.configure(USE_I18N=True)

if __name__ == "__main__":
    sys.exit(main())
