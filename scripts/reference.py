#!/usr/bin/env python3
"""Write docs/reference.md, settings.md and commands.md from the docstrings of all that is public.

    .tox/lint/bin/python scripts/reference.py

Public is what stands in the ``__all__`` of a module, each setting, and each option of a command. A
test compares the pages with what this would write. Needs Django.
"""

import ast
import importlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
DOCS = ROOT / "docs"
COMMANDS = ("session_auth.management.commands", "session_auth.factors.management.commands")
START = """\
# Python reference

What you may import; all else may change in any release.
[Settings](settings.md) and [commands](commands.md) have pages of their own.
This page is made from the docstrings by `scripts/reference.py`: change those, and run it.
"""
SETTINGS = """\
# Settings

```python
# settings.py
from datetime import timedelta

SESSION_AUTH_IDLE_TIMEOUT = timedelta(hours=8)
```

You need none of these: each has a default.
If a value is not what it must be, `manage.py check` reports an error.
What uses the setting then raises `ImproperlyConfigured`.
Django's own settings for sessions, cookies and CSRF keep their meaning.
This page is made from `session_auth/conf.py` by `scripts/reference.py`.
"""
COMMANDS_PAGE = """\
# Commands

Each has `--help`, too.
This page is made from the commands by `scripts/reference.py`.
"""
MADE = ("reference.md", "settings.md", "commands.md", "index.md", "security.md")
"""Pages that tell nothing more of a setting."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module as it is written. ``origins`` has the modules of ours that it imports names from."""

    name: str
    text: str
    body: list[ast.stmt]
    docs: Mapping[str, str]
    origins: Mapping[str, str]

    def defining(self, name: str) -> list[ast.stmt]:
        """Return the statements that define ``name``: several if it is overloaded."""
        return [node for node in self.body if name in names_of(node)]

    def head(self, node: ast.stmt) -> str:
        """Return how a function or a class begins, up to its colon; all of another statement."""
        text = ast.get_source_segment(self.text, node, padded=True) or ""
        if isinstance(node, Definition):
            lines = text.splitlines()[: node.body[0].lineno - node.lineno + 1]
            lines[-1] = lines[-1][: node.body[0].col_offset]
            text = re.sub(r":\s*(#.*\s*)*$", "", "\n".join(lines))
        return re.sub(r"\b_\((\"[^\"]*\")\)", r"\1", dedent(text))  # a sentence to be translated


@dataclass(frozen=True, slots=True)
class Options:
    """Takes what a command would give to its parser."""

    rows: list[tuple[str, str]] = field(default_factory=list)

    def add_mutually_exclusive_group(self, **kwargs: Any) -> "Options":
        return self

    def add_argument(self, name: str, *, help: str, **kwargs: Any) -> None:  # noqa: A002 # argparse
        value = kwargs.get("metavar", name.strip("-").upper().replace("-", "_"))
        if "choices" in kwargs:
            value = f"{{{','.join(kwargs['choices'])}}}"
        option = name if "action" in kwargs else f"{name} {value}"
        self.rows.append((option, help % {"default": kwargs.get("default")}))


def read(name: str) -> Module:
    """Read the module with this dotted name."""
    path = SOURCE.joinpath(*name.split("."))
    text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    tree = ast.parse(text)
    return Module(
        name=name,
        text=text,
        body=tree.body,
        docs={"": ast.get_docstring(tree) or "", **dict(docs_of(tree.body))},
        origins={
            each.name: str(node.module)
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("session_auth.")
            for each in node.names
        },
    )


def names_of(node: ast.stmt) -> list[str]:
    """Return the names that a statement defines."""
    if isinstance(node, Definition):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return [ast.unparse(node.target)]
    return [ast.unparse(each) for each in node.targets] if isinstance(node, ast.Assign) else []


def docs_of(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield each name that is documented in ``body``, and its docstring."""
    for node, after in pairwise([*body, ast.Pass()]):
        for name in names_of(node):
            if isinstance(node, Definition):
                doc = ast.get_docstring(node)
            elif isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                doc = str(after.value.value)
            else:
                doc = None
            if doc:
                yield name, doc


def public() -> dict[str, list[str]]:
    """Return the modules that have an ``__all__``, and what is in it."""
    found = {}
    for path in sorted((SOURCE / "session_auth").rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for node in read(name).defining("__all__"):
            assert isinstance(node, ast.Assign)
            found[name] = sorted(ast.literal_eval(node.value))
    return found


def find(module: Module, name: str) -> tuple[Module, list[ast.stmt]]:
    """Return the module that defines ``name``, and the statements that do."""
    while name in module.origins:
        module = read(module.origins[name])
    return module, module.defining(name)


def entry(module: Module, name: str) -> Iterator[str]:
    """Yield what is said of one name."""
    home, nodes = find(module, name)
    if isinstance(nodes[0], ast.ClassDef):
        yield from class_entry(home, nodes[0])
        return
    overloads = nodes[:-1] or nodes
    heads = [home.head(node) for node in overloads]
    if isinstance(nodes[0], Function):
        heads = [f"{head}: ..." for head in heads]
    yield from (code("\n".join(heads).split(" = [")[0]), "", prose(home.docs[name]))


def class_entry(home: Module, node: ast.ClassDef) -> Iterator[str]:
    """Yield what is said of a class: its values, and the members that have a docstring."""
    values, documented = {}, {}
    for each in family(home, node):
        docs = dict(docs_of(each.body))
        for member in each.body:
            for name in names_of(member):
                head = home.head(member)
                if isinstance(member, Function) and (name == "__init__" or name in docs):
                    head += ": ..."
                elif isinstance(member, Definition):
                    continue
                if name in docs and not name.startswith("_"):
                    documented[name] = (head.removesuffix(": ..."), docs[name])
                elif name == "__init__" or not name.startswith("_"):
                    values[name] = head
    constructor = values.pop("__init__", "")
    parts = [part for part in ("\n".join(values.values()), constructor) if part]
    body = "\n" + indent("\n\n".join(parts), "    ") if parts else " ..."
    yield code(f"{home.head(node)}:{body}")
    yield from ("", prose(home.docs[node.name]))
    for head, doc in documented.values():
        line = re.sub(r",? \)", ")", " ".join(head.split()).replace("( ", "("))
        yield from ("", f"- `{line}`", indent(prose(doc), "  "))


def family(home: Module, node: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """Yield a class after those of its bases that its module defines."""
    for base in map(ast.unparse, node.bases):
        for each in home.defining(base):
            if isinstance(each, ast.ClassDef):
                yield from family(home, each)
    yield node


def code(text: str) -> str:
    return f"```python\n{text}\n```"


def prose(doc: str) -> str:
    """Return a docstring as Markdown, with a line for each sentence."""
    return "\n\n".join(map(_paragraph, re.split(r"\n\n(?! )", doc.strip())))


def _paragraph(text: str) -> str:
    text, _, example = text.partition("::\n\n")
    text = re.sub(r"(?<=[.!?])\s+(?=[A-Z`\"])", "\n", " ".join(text.split()))
    text = re.sub(r"\bdocs/(\w+\.md)", r"[\1](\1)", text.replace("``", "`"))
    return f"{text}:\n\n{code(dedent(example))}" if example else text


def modules() -> Iterator[str]:
    for name, names in public().items():
        module = read(name)
        yield from ("", f"## `{name}`", "", prose(module.docs[""]))
        for each in names:
            twin = f"a{each}"
            if each.removeprefix("a") in names and each.startswith("a"):
                continue  # it stands below its twin
            yield from ("", f"### `{each}`", "", *entry(module, each))
            if twin in names:
                yield from ("", *entry(module, twin))


def pages_about(setting: str) -> list[Path]:
    """Return the pages that name a setting: first those that show how it is set."""
    texts = {page: page.read_text() for page in hand_written()}
    naming = [page for page, text in texts.items() if re.search(rf"\b{setting}\b", text)]
    return sorted(naming, key=lambda page: not re.search(rf"^{setting} = ", texts[page], re.M))


def settings() -> Iterator[str]:
    rules = importlib.import_module("session_auth.conf").RULES
    module = read("session_auth.conf")
    [conf] = module.defining("Conf")
    assert isinstance(conf, ast.ClassDef)
    docs = dict(docs_of(conf.body))
    defaults = {
        name: module.head(node).partition(" = ")[2]
        for node in conf.body
        if isinstance(node, ast.AnnAssign)
        for name in names_of(node)
    }
    yield from ("| setting | default | meaning |", "|---|---|---|")
    for name, default in defaults.items():
        link = f"[`SESSION_AUTH_{name}`](#session_auth_{name.lower()})"
        yield f"| {link} | `{default}` | {' '.join(prose(docs[name]).split())} |"
    for name, default in defaults.items():
        yield from ("", f"## `SESSION_AUTH_{name}`", "", prose(docs[name]))
        yield f"It must be {rules[name].wanted}; the default is `{default}`."
        if pages := pages_about(f"SESSION_AUTH_{name}"):
            yield f"More in {', '.join(f'[{page.name}]({page.name})' for page in pages)}."


def hand_written() -> list[Path]:
    """Return the pages that a person has written."""
    return [page for page in sorted(DOCS.glob("*.md")) if page.name not in MADE]


def commands() -> Iterator[str]:
    folders = [SOURCE.joinpath(*name.split(".")) for name in COMMANDS]
    found = {path.stem: path for each in folders for path in each.glob("[a-z]*.py")}
    for name, path in sorted(found.items()):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        command, options = importlib.import_module(module).Command(), Options()
        command.add_arguments(options)
        yield from ("", f"## `manage.py {name}`", "", prose(command.help))
        if "factors" in module:
            yield "It is there where `session_auth.factors` is installed."
        if options.rows:
            yield from ("", "| option | meaning |", "|---|---|")
            yield from (f"| `{option}` | {meaning} |" for option, meaning in options.rows)


def render() -> dict[str, str]:
    """Return the pages by name. Django must be set up."""
    contents = [f"- [`{name}`](#{name.replace('.', '')})" for name in public()]
    return {
        "reference.md": "\n".join([START, *contents, *modules()]) + "\n",
        "settings.md": "\n".join([SETTINGS, *settings()]) + "\n",
        "commands.md": "\n".join([COMMANDS_PAGE.rstrip("\n"), *commands()]) + "\n",
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    sys.path[:0] = [str(ROOT), str(SOURCE)]
    importlib.import_module("django").setup()
    for name, text in render().items():
        (DOCS / name).write_text(text)
