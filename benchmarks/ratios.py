"""Ratios of measurements that took turns. They are computed in each round, so noise cancels out."""

import statistics
from collections.abc import Mapping, Sequence

Rounds = Mapping[str, Sequence[float]]
"""For each subject, what was measured in each round."""


def spread(values: Sequence[float]) -> float:
    """Return the distance between the quartiles."""
    first, _, third = statistics.quantiles(values, n=4)
    return third - first


def ratios(values: Sequence[float], of: Sequence[float]) -> list[float]:
    """Return each value as a part of the one that was measured in the same round."""
    return [value / other for value, other in zip(values, of, strict=True)]


def parts_added(rounds: Rounds, bases: Mapping[str, str], *, of: str) -> dict[str, list[float]]:
    """Return what each subject adds to its base, as a part of what the subject ``of`` adds.

    A subject that is its own base adds nothing.
    """
    added = {
        name: [value - base for value, base in zip(values, rounds[bases[name]], strict=True)]
        for name, values in rounds.items()
    }
    return {name: ratios(values, added[of]) for name, values in added.items()}
