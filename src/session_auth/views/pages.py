"""The page for the next stage of a login that began on a page: in the looks of the admin."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from session_auth import csrf, due_stages, flows
from session_auth.attempts import Attempt
from session_auth.exceptions import LoginExpired, SessionAuthError, StageRequired
from session_auth.http import check_objects
from session_auth.stages import Stage


@method_decorator(
    [
        *(csrf_exempt, login_not_required, sensitive_post_parameters()),
        transaction.non_atomic_requests,
    ],
    name="dispatch",
)
class SecondFactorPage(View):
    """``login/second-factor/page/``: the form of a method, for those who log in on a page.

    The middleware sends browsers here whose login by the admin, or by another page, has a stage
    that is due. The form is that of the method; ``?method=`` chooses another one. After the last
    stage, the page that asked for the login (``?next=``) follows.

    Where ``django.contrib.admin`` is not installed, whose template this fills, it is 404.
    """

    template_name = "session_auth/second_factor.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not apps.is_installed("django.contrib.admin"):
            raise Http404
        csrf.verify(request)  # the middleware may be missing
        try:
            return super().dispatch(request, *args, **kwargs)
        except LoginExpired:
            return HttpResponseRedirect(self.next_url("admin:index"))  # which asks for a login

    def get(self, request: HttpRequest) -> HttpResponse:
        attempt, stage = due_stages.on_the_way(request)
        return self.render(attempt, stage, error=None)

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest) -> HttpResponse:
        attempt, stage = due_stages.on_the_way(request)
        method = self.method_of(attempt, stage)
        form = stage.methods[method].form_class(request.POST) if stage and method else None
        try:
            if form is not None:
                check_objects(form)
                if not form.is_valid():
                    return self.render(attempt, stage, form=form)
            data = {} if form is None else form.cleaned_data
            flows.pass_stage(request, method=method, data=data)
        except StageRequired:
            return HttpResponseRedirect(request.get_full_path())
        except LoginExpired:
            raise
        except SessionAuthError as error:
            return self.render(attempt, stage, error=error)
        return HttpResponseRedirect(self.next_url(str(settings.LOGIN_REDIRECT_URL)))

    def method_of(self, attempt: Attempt, stage: Stage | None) -> str:
        """Return the method that the browser has chosen; else the first that is offered."""
        if stage is None:
            return ""
        offered = stage.offered(attempt.user, self.request)
        chosen = self.request.GET.get("method", "")
        return chosen if chosen in offered else next(iter(offered), "")

    def next_url(self, default: str) -> str:
        """Return where the browser came from, if that is a page of this site."""
        url = self.request.GET.get(REDIRECT_FIELD_NAME, "")
        is_ours = url_has_allowed_host_and_scheme(
            url, allowed_hosts={self.request.get_host()}, require_https=self.request.is_secure()
        )
        return url if is_ours else resolve_url(default)

    def render(
        self,
        attempt: Attempt,
        stage: Stage | None,
        *,
        form: Any = None,
        error: SessionAuthError | None = None,
    ) -> HttpResponse:
        method = self.method_of(attempt, stage)
        methods = {} if stage is None else stage.methods
        if form is None and method:
            form = methods[method].form_class()
        texts = [
            each for each in form or () if getattr(each.field.widget, "input_type", "") == "text"
        ]
        if texts:  # so that who has a code can type it at once
            texts[0].field.widget.attrs["autofocus"] = True
        offered = [] if stage is None else stage.offered(attempt.user, self.request)
        context = {
            **admin.site.each_context(self.request),
            "title": "" if stage is None else stage.message,
            "form": form,
            "method": method,
            "label": methods[method].label if method else "",
            "others": {name: methods[name].label or name for name in offered if name != method},
            "details": {} if stage is None else stage.details(attempt.user, self.request),
            "refusal": error,
            "next": self.request.GET.get(REDIRECT_FIELD_NAME, ""),
        }
        return TemplateResponse(
            self.request,
            self.template_name,
            context,
            status=200 if error is None else error.status,
            headers={"Cache-Control": "no-store", **(error.headers if error else {})},
        )
