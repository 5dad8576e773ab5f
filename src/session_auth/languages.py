"""The language of an answer, where the one that is active may be that of another request."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.urls import get_urlconf
from django.utils import translation
from django.utils.module_loading import import_string


@contextmanager
def language_of(request: HttpRequest) -> Iterator[None]:
    """Let sentences be in the language of ``request`` in the block.

    Above ``LocaleMiddleware``, and where that was not reached, the active language is that of the
    last request in the same thread. After the view, a middleware may have reset it.
    """
    with translation.override(_language(request)):
        yield


def _language(request: HttpRequest) -> str | None:
    active = translation.get_language()
    told: str | None = getattr(request, "LANGUAGE_CODE", None)  # by LocaleMiddleware
    if told is not None:
        # A project may have activated another one since, the user's say.
        return told if active in (None, settings.LANGUAGE_CODE) else active
    return _asked_for(request) if _is_followed() else active


def _is_followed() -> bool:
    middleware = map(import_string, settings.MIDDLEWARE)
    return any(isinstance(each, type) and issubclass(each, LocaleMiddleware) for each in middleware)


def _asked_for(request: HttpRequest) -> str:
    """Return the language that ``LocaleMiddleware`` would take."""
    urlconf = getattr(request, "urlconf", None) or get_urlconf() or settings.ROOT_URLCONF
    has_prefixes, _is_default_prefixed = is_language_prefix_patterns_used(urlconf)
    return translation.get_language_from_request(request, check_path=has_prefixes)
