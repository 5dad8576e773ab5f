"""Factors in the admin: who has set up what. Staff can remove all of a user's, with a reason."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from session_auth.admin import ReadOnlyAdmin, ids_of_users
from session_auth.factors.models import Factor
from session_auth.factors.removal import remove_all


class ReasonForm(ActionForm):
    """The reason for a removal, beside the list of actions."""

    reason = forms.CharField(required=False, max_length=200, label=_("Reason"))


@admin.register(Factor)
class FactorAdmin(ReadOnlyAdmin):
    """To help a user who has lost their phone: select one of their factors, and give a reason."""

    action_form = ReasonForm
    actions = ("remove_all_of_user",)
    fields = ("user", "kind", "name", "created_at", "last_used_at")
    list_display = ("user_id", "kind", "name", "created_at", "last_used_at")
    list_filter = ("kind", "created_at")
    ordering = ("-created_at",)
    search_fields = ("user_id",)  # for the field to be there: see get_search_results()
    search_help_text = _("The name of a user, or part of it.")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # one alone would go without a mail, an event and a reason

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("session_auth_factors.delete_factor")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Factor], search_term: str
    ) -> tuple[QuerySet[Factor], bool]:
        term = search_term.strip()
        return (queryset.filter(user_id__in=ids_of_users(term)) if term else queryset), False

    @admin.action(
        description=_("Remove all factors of these users, and end their sessions"),
        permissions=["remove"],
    )
    def remove_all_of_user(self, request: HttpRequest, queryset: QuerySet[Factor]) -> None:
        reason = request.POST.get("reason", "").strip()
        if not reason:
            self.message_user(request, _("Give a reason: it is logged."), messages.ERROR)
            return
        user_ids = set(queryset.values_list("user_id", flat=True))
        for user in get_user_model()._base_manager.filter(pk__in=user_ids):
            remove_all(user, reason=reason, request=request)
        self.message_user(request, _("The factors were removed, and the users were told by mail."))
