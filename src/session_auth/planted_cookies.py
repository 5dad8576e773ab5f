"""At the door: cookies that a subdomain, or a page of plain HTTP, may have planted beside ours."""

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.utils.encoding import escape_uri_path
from django.utils.translation import gettext_lazy as _

from session_auth import events
from session_auth.answers import refusal_response
from session_auth.cookie_header import expire_strangers, twins, without_near_names
from session_auth.events import Event
from session_auth.exceptions import InvalidRequest

AMBIGUOUS = InvalidRequest(
    _("Try again. If that does not help, clear the cookies of this site."),
    hint="The session or the CSRF cookie stands twice in the request. The second one is expired "
    "now, as far as this site can. Look for what sets it: a subdomain, or another path.",
)


def refuse_twins(request: HttpRequest, header: str, names: tuple[str, str]) -> HttpResponse | None:
    """Leave cookies out that are near ours; refuse the request if one of ours stands twice."""
    plain = without_near_names(header, *names)
    doubled = twins(plain, *names)
    if plain == header and not doubled:
        return None
    events.record(Event.AMBIGUOUS_COOKIE, request)
    if not doubled:
        request.META["HTTP_COOKIE"] = plain
        vars(request).pop("COOKIES", None)  # which Django reads once
        return None
    response = refusal_response(request, AMBIGUOUS)
    try:
        host, _ = split_domain_port(request.get_host().lower())
    except DisallowedHost:
        return response
    for name in doubled:
        which = "SESSION" if name == names[0] else "CSRF"
        domain = getattr(settings, f"{which}_COOKIE_DOMAIN")
        own = domain and domain.lstrip("."), getattr(settings, f"{which}_COOKIE_PATH")
        path = escape_uri_path(request.path)
        expire_strangers(response.cookies, name, host=host, path=path, own=own)
    return response
