"""Django's lazy objects, made in one step: each request makes two, which it may not use."""

from collections.abc import Callable
from typing import Any

from django.utils.functional import SimpleLazyObject, empty


class Lazy(SimpleLazyObject):  # type: ignore[type-arg]  # generic in the stubs alone
    """Django's, without the seven calls that its ``__init__`` takes to set two attributes."""

    _wrapped = empty

    def __init__(self, func: Callable[[], Any]) -> None:
        object.__setattr__(self, "_setupfunc", func)
