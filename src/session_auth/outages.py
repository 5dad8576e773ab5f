"""A store that is down is 503, also where no view of ours is there to say so."""

import sys

from django.core.signals import got_request_exception
from django.db import Error
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from session_auth.answers import refusal_response
from session_auth.exceptions import StoreUnavailable
from session_auth.stores import USERS

OUTAGE = "_session_auth_outage"
"""The attribute of a request that has the ``StoreUnavailable`` for which its answer is 500."""


@receiver(got_request_exception, dispatch_uid="session_auth.outages")
def note(*, request: HttpRequest, **kwargs: object) -> None:
    """Note that the store is down, for ``tell()``.

    A middleware may have met that, before any view. Django turns what a middleware raises into a
    response by itself, and calls no ``process_exception()``.
    """
    outage = outage_behind(sys.exc_info()[1])
    if outage is not None:
        vars(request)[OUTAGE] = outage


def tell(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return 503 in place of ``response``, a 500, if it is one because the store is down."""
    outage = vars(request).get(OUTAGE)
    return response if outage is None else refusal_response(request, outage)


def outage_behind(error: BaseException | None) -> StoreUnavailable | None:
    """Return what a client is told of ``error`` if the store is the reason for it."""
    if isinstance(error, StoreUnavailable):
        return error
    if isinstance(error, Error) and USERS.is_down(error):
        # As where the transaction of ATOMIC_REQUESTS cannot even begin.
        return USERS.unavailable(error)
    return None
