"""What Django refuses below ``SESSION_AUTH_API_PATHS``: its pages of HTML become JSON.

And the other way round: where a login on a page has a stage that is due, a page for it follows.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import BadRequest, DisallowedHost, SuspiciousOperation
from django.core.exceptions import PermissionDenied as DjangosPermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.http.response import HttpResponseRedirectBase
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _

from session_auth import events
from session_auth.answers import CODE, error_response, wants_json
from session_auth.exceptions import (
    InvalidRequest,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    SessionAuthError,
)
from session_auth.sessions.users import why_not_logged_in

OF_THE_PAGE = frozenset({"Content-Encoding", "Content-Length", "ETag", "Location"})
"""The headers that say something of the page that is not sent."""

RAISED = "_session_auth_raised"
"""The attribute of a request with what its view has raised, while Django makes a page of it."""


LOGGED = {401: NotAuthenticated.code, 403: PermissionDenied.code, 409: None}
"""The statuses of refusals, by whatever code, that are logged, and the codes of those without one.

A 409 without a code is no refusal, but a conflict of the project's own.
"""


def log(request: HttpRequest, response: HttpResponse) -> None:
    """Log that ``response`` refuses to let ``request`` in, unless an event has told why already."""
    status = response.status_code
    code = vars(response).get(CODE) or LOGGED.get(status)
    if status in LOGGED and code is not None:
        events.record_refusal(request, status=status, code=code)


def note(request: HttpRequest, exception: Exception) -> None:
    """Remember what a view has raised, of which Django is about to make a page."""
    vars(request)[RAISED] = exception


def page_of_stage(request: HttpRequest) -> HttpResponse | None:
    """Return the way to the page for the next stage, for a browser that has sent a form.

    ``None`` for an API, and where our page is not routed or has no admin whose looks it takes.
    """
    accepts_pages = "text/html" in request.META.get("HTTP_ACCEPT", "")
    if wants_json(request) or not accepts_pages or not apps.is_installed("django.contrib.admin"):
        return None
    try:
        page = reverse("session_auth:second_factor_page")
    except NoReverseMatch:
        return None
    asked = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME)
    return HttpResponseRedirect(
        f"{page}?{urlencode({REDIRECT_FIELD_NAME: asked})}" if asked else page
    )


def tell_in_json(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return what an API answers in place of a refusal of Django's own; else ``response``.

    A page that the view itself has made stays what it is, and so does all outside of an API; and
    what Django tells a developer who has followed a link, if ``DEBUG`` is on.
    """
    if not response.get("Content-Type", "text/html").startswith("text/html"):
        return response
    if settings.DEBUG and _is_navigation(request):
        return response
    error = _error(request, response) if wants_json(request) else None
    if error is None:
        return response
    told = error_response(error, request)
    told.cookies = response.cookies
    for name, value in response.headers.items():  # of other middleware: CORS, a language
        if name not in OF_THE_PAGE:
            told.headers.setdefault(name, value)
    told.headers["Content-Length"] = str(len(told.content))
    patch_vary_headers(told, response.headers.get("Vary", "Cookie").split(","))
    # Django has logged what it refused, and does so once for each response.
    vars(told)["_has_been_logged"] = getattr(response, "_has_been_logged", False)
    return told


def _error(request: HttpRequest, response: HttpResponse) -> SessionAuthError | None:
    raised = vars(request).get(RAISED) or _disallowed_host(request)
    if isinstance(response, HttpResponseNotAllowed):
        return MethodNotAllowed(allowed=response.headers["Allow"].split(", "))
    if isinstance(raised, DjangosPermissionDenied) and response.status_code == 403:
        return PermissionDenied(str(raised) or None)
    if response.status_code == 404 and (
        isinstance(raised, Http404) or request.resolver_match is None
    ):
        return NotFound()
    if isinstance(raised, BadRequest | SuspiciousOperation) and response.status_code == 400:
        hint = str(raised) if isinstance(raised, DisallowedHost) else None  # what to type
        return InvalidRequest(_("The request is not valid."), hint=hint)
    if isinstance(response, HttpResponseRedirectBase) and _leads_back(request, response.url):
        return _no_login(request, response.url)
    return None


def _disallowed_host(request: HttpRequest) -> DisallowedHost | None:
    """Return what a middleware before the view has stumbled over, such as ``CommonMiddleware``."""
    if request.resolver_match is None:
        try:
            request.get_host()
        except DisallowedHost as exc:
            return exc
    return None


def _is_navigation(request: HttpRequest) -> bool:
    """Say whether a person looks at the answer, and no script."""
    return bool(request.META.get("HTTP_SEC_FETCH_MODE") == "navigate")


def _leads_back(request: HttpRequest, url: str) -> bool:
    """Say whether ``url`` is of a page that sends people back to this request, as a login does.

    For scripts alone: who has typed the URL, or followed a link to it, is better off with the page.
    """
    return not _is_navigation(request) and any(
        name == REDIRECT_FIELD_NAME and value.endswith(request.get_full_path())
        for name, value in parse_qsl(urlsplit(url).query)
    )


def _no_login(request: HttpRequest, url: str) -> SessionAuthError | None:
    """Return why a view asks for a login; ``None`` if the page at ``url`` may be for another end.

    Who has not been asked who they are is not asked now: this may be an event loop.
    """
    user = vars(request).get("_cached_user")
    if user is not None and not user.is_authenticated:
        return why_not_logged_in(request)
    if not _is_login_page(url):
        return None
    return NotAuthenticated() if user is None else PermissionDenied()


def _is_login_page(url: str) -> bool:
    try:
        return urlsplit(url).path == urlsplit(resolve_url(settings.LOGIN_URL)).path
    except NoReverseMatch:
        return False
