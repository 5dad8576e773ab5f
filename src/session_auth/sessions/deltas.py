"""Merge what one request changed into what other requests have stored meanwhile."""

from collections.abc import Callable
from typing import Any


def merge(
    base: dict[str, Any],
    mine: dict[str, Any],
    theirs: dict[str, Any],
    *,
    encode: Callable[[dict[str, Any]], str],
) -> dict[str, Any]:
    """Return ``theirs`` with what changed from ``base`` to ``mine``, key by key.

    Values are compared as ``encode`` writes them: for Python, 1 and True would be equal.
    """
    merged = dict(theirs)
    for key in base.keys() | mine.keys():
        if key not in mine:
            merged.pop(key, None)
        elif key not in base or encode({key: base[key]}) != encode({key: mine[key]}):
            merged[key] = mine[key]
    return merged
