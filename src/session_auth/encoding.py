"""JSON as JavaScript reads it right: times that say their offset, and integers that stay exact."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.timezone import is_naive

MAX_INTEGER = 2**53 - 1  # the largest that every JSON parser keeps exactly (RFC 7493, 2.2)


class JSONEncoder(DjangoJSONEncoder):
    """Django's, but for two things.

    A time without an offset, as under ``USE_TZ = False``, is one of the server's clock, which only
    the server can tell: it goes out in UTC. An integer that JavaScript would round goes out as a
    string: it may be the primary key of a user, and the rounded one would be somebody else's.
    """

    def default(self, o: Any) -> Any:
        if isinstance(o, datetime) and is_naive(o):
            o = o.astimezone(UTC)
        return super().default(o)

    def iterencode(self, o: Any, _one_shot: bool = False) -> Iterator[str]:
        return super().iterencode(_exact(o), _one_shot)


def _exact(value: Any) -> Any:
    if isinstance(value, int):
        return value if abs(value) <= MAX_INTEGER else str(value)
    if isinstance(value, Mapping):
        return {key: _exact(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(each) for each in value]
    return value
