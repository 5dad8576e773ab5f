"""Deleting many rows without standing in anybody's way."""

from collections.abc import Callable
from time import perf_counter, sleep

PRUNE_ROWS = 100
"""How many rows are deleted at a time: a login that meets them waits no longer than that takes."""

RESTS = 3


def in_batches(delete: Callable[[], int]) -> int:
    """Call ``delete`` until it deletes no more; return how many rows that were.

    Rests after each call, ``RESTS`` times as long as it took: SQLite lets one write at a time, and
    who waits for it looks now and then only, the less often the longer they have waited.
    """
    total = 0
    start = perf_counter()
    while count := delete():
        total += count
        sleep(RESTS * (perf_counter() - start))
        start = perf_counter()
    return total
