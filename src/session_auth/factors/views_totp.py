"""Setting up an authenticator app, and removing it."""

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from session_auth import flows
from session_auth.answers import json_response, no_content
from session_auth.exceptions import InvalidRequest, NotFound, Throttled
from session_auth.factors import authenticator_app, rows
from session_auth.factors.models import Kind
from session_auth.factors.views import FactorView
from session_auth.http import read_json
from session_auth.operations import Caller, NewApp, NewTotpAnswer, Operation

CODE = {"code": str}


class TotpView(FactorView):
    """``POST factors/totp/``: a new secret, for five minutes. ``DELETE``: remove the app."""

    operations: Mapping[str, Operation] = {
        "post": Operation(
            answer=NewApp, caller=Caller.RECENT, body={}, refusals=(NotFound, Throttled)
        ),
        "delete": Operation(caller=Caller.RECENT, body={}, refusals=(NotFound,)),
    }

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest) -> JsonResponse:
        authenticator_app.require_keys()
        user = flows.require_recent_login(request, level=None)
        read_json(request, {})
        return json_response(authenticator_app.begin(request, user))

    def delete(self, request: HttpRequest) -> HttpResponse:
        user = flows.require_recent_login(request, level=None)
        read_json(request, {})
        self.remove(user, Kind.TOTP)
        return no_content()


class TotpConfirmView(FactorView):
    """``POST factors/totp/confirm/``: a first code of the app, which is set up by that."""

    operations: Mapping[str, Operation] = {
        "post": Operation(
            answer=NewTotpAnswer,
            status=201,
            caller=Caller.RECENT,
            body=CODE,
            required=CODE,
            refusals=(NotFound,),
        )
    }

    def post(self, request: HttpRequest) -> JsonResponse:
        authenticator_app.require_keys()
        user = flows.require_recent_login(request, level=None)
        code = read_json(request, CODE).get("code", "")
        factor = authenticator_app.confirmed(request, user, code)
        if factor is None:
            raise InvalidRequest(fields={"code": [_("This is not the code of the app right now.")]})
        self.store(user, factor)
        return self.changed_response(user, {"totp": rows.describe(factor)})


urlpatterns = [
    path("factors/totp/", TotpView.as_view(), name="totp"),
    path("factors/totp/confirm/", TotpConfirmView.as_view(), name="totp_confirm"),
]
