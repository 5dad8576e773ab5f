"""What the JavaScript client never does, read in its source."""

import gzip
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = [*ROOT.glob("js/src/*.ts"), *ROOT.glob("src/session_auth/static/session_auth/*.js")]
SOURCES = {
    path.name: re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", path.read_text(), flags=re.DOTALL)
    for path in sorted(FILES)
}


def found(pattern: str) -> list[str]:
    """Return what matches in the code of the client, its comments left out."""
    return [match for text in SOURCES.values() for match in re.findall(pattern, text)]


def test_the_client_is_read_whole() -> None:
    assert {"tabs.ts", "react.ts", "session-auth.js", "vue.js"} <= set(SOURCES)
    assert found(r"\bfetch\b")


def test_the_client_writes_no_html() -> None:
    """ASVS 3.2.2"""
    assert (
        found(r"\.(?:inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\b|Function\(") == []
    )


def test_the_client_keeps_nothing_in_the_browsers_storage() -> None:
    """ASVS 14.3.3"""
    assert found(r"localStorage|sessionStorage|indexedDB|\bcaches\b|document\.cookie\s*=[^=]") == []


def test_the_client_copies_no_keys_that_others_choose() -> None:
    """ASVS 15.3.6"""
    own = r"this, ?\{ ?name:"  # of a SessionAuthError, which the client makes with keys of its own
    assert found(rf"Object\.assign\((?!{own})|__proto__") == []
    assert found(r"\bfor ?\((?:const|let) \w+ in\b|\w\[\w+\] = ") == []


def test_the_client_believes_no_name_that_markup_can_take() -> None:
    """ASVS 3.2.3: in a page with ``<img name="cookie">``, ``document.cookie`` is that element."""
    assert set(found(r"\bdocument\.(\w+)")) <= {"cookie", "hidden"}
    assert found(r"String\(globalThis\.document\?\.cookie\)")


def test_the_client_as_served_takes_four_kilobytes_whoever_compresses_it() -> None:
    """The zlib of Node, by which js/scripts/size.js measures, gives less than that of servers."""
    served = ROOT / "src/session_auth/static/session_auth/session-auth.js"

    assert len(gzip.compress(served.read_bytes(), 9)) <= 4096
