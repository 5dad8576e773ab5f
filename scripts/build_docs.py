#!/usr/bin/env python3
"""Build the site of the docs, where every warning is an error.

    .tox/docs/bin/python scripts/build_docs.py

The pages of ``docs/`` stay as a forge shows them. What Sphinx reads is a copy, in ``.cache/docs``:
the lists of ``docs/index.md`` become the navigation, and each file elsewhere in the repository that
a page links to becomes a page, too, since the site has to stand alone.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
CACHE = ROOT / ".cache" / "docs"
SOURCE = CACHE / "source"
SITE = CACHE / "html"

LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?!\w+:)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
COMMENT = re.compile(r"^<!--.*?-->\n", re.DOTALL | re.MULTILINE)
LANGUAGES = {".py": "python", ".js": "js", ".html": "html+django"}


def page_of(path: Path) -> str:
    """Return the name that a file of the repository has as a page: its own, or one of its path."""
    if path.parent == DOCS:
        return path.name
    stem = "-".join(path.relative_to(ROOT).with_suffix("").parts).lower()
    return f"{stem}.md" if path.suffix == ".md" else f"{stem}-{path.suffix[1:]}.md"


class Pages:
    """Writes each page, and each that it links to."""

    def __init__(self) -> None:
        self.written: set[Path] = set()

    def write(self, path: Path) -> None:
        if path in self.written:
            return
        self.written.add(path)
        text = path.read_text()
        if path.suffix == ".md":
            text = COMMENT.sub("", text)
            text = LINK.sub(lambda found: self.link(path, **found.groupdict("")), text)
        else:
            name = path.relative_to(ROOT)
            language = LANGUAGES.get(path.suffix, "text")
            text = f"# {name.name}\n\n`{name}`:\n\n~~~~{language}\n{text}~~~~\n"
        if path.parent != DOCS:
            text = f"---\norphan: true\n---\n\n{text}"
        if path == DOCS / "index.md":
            text += navigation(text)
        (SOURCE / page_of(path)).write_text(text)

    def link(self, page: Path, *, text: str, path: str, anchor: str) -> str:
        """Return a link of ``page`` as it is on the site; one named for a file gets its title."""
        found = (page.parent / path).resolve()
        if found.parent == DOCS / "images":
            return f"[{text}](images/{found.name})"
        if not found.is_file():
            sys.exit(f"{page.relative_to(ROOT)} links to {path}, which is no file.")
        self.write(found)
        return f"[{'' if text in (found.name, path) else text}]({page_of(found)}{anchor})"


def navigation(text: str) -> str:
    """Return the pages that the lists of the start page name, by heading, for the side of each."""
    trees = []
    for heading, part in re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", text, re.MULTILINE):
        pages = re.findall(r"^- \[(.*?)\]\(([\w.-]+)\.md\)", part, re.MULTILINE)
        if pages:
            names = "\n".join(f"{title} <{page}>" for title, page in pages)
            trees.append(f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{names}\n```\n")
    return "\n" + "\n".join(trees)


def build() -> int:
    shutil.rmtree(CACHE, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    shutil.copytree(DOCS / "images", SOURCE / "images")
    pages = Pages()
    for path in sorted(DOCS.glob("*.md")):
        pages.write(path)
    # Sphinx copies pictures that Markdown names; the start page names its own in HTML.
    sphinx = ["-m", "sphinx", "--conf-dir", str(DOCS), "--fail-on-warning", "--nitpicky"]
    sphinx += ["--quiet", "--fresh-env", "--jobs", "auto", str(SOURCE), str(SITE)]
    done = subprocess.run(
        [sys.executable, *sphinx], env=os.environ | {"NO_COLOR": "1"}, check=False
    )
    if done.returncode == 0:
        shutil.copytree(DOCS / "images", SITE / "images", dirs_exist_ok=True)
        print(f"The site is in {SITE.relative_to(ROOT)}: open index.html there.")
    return done.returncode


if __name__ == "__main__":
    sys.exit(build())
