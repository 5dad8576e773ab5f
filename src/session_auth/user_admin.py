"""What staff can do for users in Django's admin, without knowing or choosing a password.

``UserActions`` is for the admin of a user model of your own. Where Django's own ``UserAdmin`` is
registered, ``session_auth.admin`` adds it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from session_auth import events, throttling
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.passwords import PasswordResetForm, post_links, require_new_password
from session_auth.passwords.required import is_asked_for
from session_auth.sessions import end_sessions
from session_auth.signals import EndReason

__all__ = ["UserActions"]

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

NEW_PASSWORDS = "session_auth.add_requiredpassword"


class LinkForm(PasswordResetForm):
    """Sends a link to one user alone, though others may have the same address."""

    user_id = forms.CharField()

    def get_users(self, email: str) -> Any:
        user_id = self.cleaned_data["user_id"]
        return (user for user in super().get_users(email) if str(user.pk) == user_id)


class UserActions(_ModelAdmin):
    """Actions for the list of users: send a link, require a new password, end sessions, unlock.

    Put it before ``UserAdmin``, or any ``ModelAdmin``, in the bases of yours. If that has actions
    of its own, say ``actions = [*UserActions.actions, ...]``. Each has a permission of Django's:
    ``session_auth.add_requiredpassword`` for the first two, ``delete_session`` and
    ``delete_guesscount`` for the others. Nobody needs ``change_user`` for them, by which one could
    choose a password. Each is logged, with who did it, and stands in the history of the user.
    """

    actions: Any = ("send_link", "require_new_password", "end_sessions", "unlock")

    def has_send_link_permission(self, request: HttpRequest) -> bool:
        return get_conf().PASSWORD_RESET_URL is not None and request.user.has_perm(NEW_PASSWORDS)

    def has_require_new_password_permission(self, request: HttpRequest) -> bool:
        return is_asked_for() and request.user.has_perm(NEW_PASSWORDS)

    def has_end_sessions_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("session_auth.delete_session")

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("session_auth.delete_guesscount")

    @admin.action(permissions=["send_link"], description=_("Send a link for a new password"))
    def send_link(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Send each user a link, by mail. Those who cannot get one are named."""

        def send(user: Any) -> bool:
            address = getattr(user, user.get_email_field_name(), "")
            form = LinkForm({"email": address, "user_id": str(user.pk)})
            if not form.is_valid() or user not in form.get_users(address):
                return False
            post_links(form, is_foreign=True)
            events.record(Event.RESET_LINK_SENT, request, user_id=user.pk, by=request.user.pk)
            return True

        self._do(request, queryset, send, done=_("Sent a link for a new password."))

    @admin.action(
        permissions=["require_new_password"],
        description=_("Require a new password, and end all sessions"),
    )
    def require_new_password(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let the next login of each user ask for a new password."""

        def require(user: Any) -> bool:
            require_new_password(user, request=request)
            return True

        self._do(request, queryset, require, done=_("Required a new password."))

    @admin.action(permissions=["end_sessions"], description=_("End all sessions"))
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """End all sessions of each user; all their devices are unknown from then on."""

        def end(user: Any) -> bool:
            end_sessions(user, reason=EndReason.ENDED_BY_ADMIN)
            throttling.throw_out_devices(user)
            return True

        self._do(request, queryset, end, done=_("Ended all sessions."))

    @admin.action(permissions=["unlock"], description=_("Unlock: forget wrong passwords"))
    def unlock(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Forget the guesses that were counted for each user."""

        def forget(user: Any) -> bool:
            throttling.forget(user)
            events.record(Event.UNLOCKED, request, user_id=user.pk, by=request.user.pk)
            return True

        self._do(request, queryset, forget, done=_("Unlocked."))

    def _do(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        act: Callable[[Any], bool],
        *,
        done: str | Promise,
    ) -> None:
        """Do it for each user who can have it done, and write that into their history."""
        names: dict[bool, list[str]] = {True: [], False: []}
        for user in queryset:
            is_done = act(user)
            names[is_done].append(str(user))
            if is_done:
                self.log_change(request, user, str(done))
        if names[True]:
            self.message_user(request, f"{done} ({', '.join(names[True])})")
        if names[False]:
            text = _("No link can be sent, for want of an address or a password, to: %(names)s")
            named = {"names": ", ".join(names[False])}
            self.message_user(request, text % named, messages.WARNING)
