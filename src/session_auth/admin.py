"""Sessions in the admin: who is logged in from where. Staff can end them, and never see a key.

Staff can also unlock an account by deleting its counts of guesses. ``user_admin`` has what they
can do in the list of users.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.utils import display_for_value
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.contenttypes.models import ContentType
from django.core.paginator import Paginator
from django.db import router
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from session_auth.guessing import accounts
from session_auth.keys import is_session_id
from session_auth.models import EndedSession, GuessCount, RequiredPassword, Session
from session_auth.sessions.listing import end_by_ids, kept_rows
from session_auth.sessions.proofs import PASSWORD
from session_auth.sessions.values import SessionInfo, read_methods
from session_auth.signals import EndReason
from session_auth.stages import stage_of
from session_auth.stored_sessions import AtLeast, StoredSessions
from session_auth.user_admin import UserActions
from session_auth.user_agents import user_agent_name

AGENT_CHARACTERS = 40
FOUND_USERS = 500
LABELS = {PASSWORD: _("password")}
LIVE, EXPIRED = pgettext_lazy("session", "live"), pgettext_lazy("session", "expired")
COUNTED_ROWS = 10_000
"""How many rows a list counts: to count a million takes longer than to show a hundred of them."""


REASONS = {
    EndReason.LOGOUT: _("logged out"),
    EndReason.ENDED_BY_USER: _("ended by its user"),
    EndReason.ENDED_BY_ADMIN: _("ended by an administrator"),
    EndReason.IDLE: _("not used for too long"),
    EndReason.ABSOLUTE: _("login too long ago"),
    EndReason.REPLACED: _("new login in the same browser"),
    EndReason.EVICTED: _("too many sessions"),
    EndReason.PASSWORD_CHANGED: _("password changed"),
    EndReason.FACTOR_REMOVED: _("sign-in method removed"),
    EndReason.DEACTIVATED: _("user deactivated"),
    EndReason.DELETED: _("user deleted"),
}
"""Each reason for an end, and what it is called in the admin."""


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts ``COUNTED_ROWS`` rows at most: rows beyond that are found by the search."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        counted: int = rows.order_by()[: COUNTED_ROWS + 1].count()
        return counted if counted <= COUNTED_ROWS else AtLeast(COUNTED_ROWS)


class ByIndex(ChangeList):
    """Sorted by what an index has sorted already.

    Django sorts rows of the same time by their ids as well, for which it has to read all of them.
    """

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        ordering = super().get_ordering(request, queryset)
        return [name for name in ordering if name not in ("pk", "-pk")]


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Lists rows that nobody can add or change, as fast for a million rows as for a few."""

    list_per_page = 50
    paginator = CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ByIndex

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("user agent"), ordering="user_agent")
    def agent(self, row: Session | EndedSession) -> SafeString:
        """Return the user agent by its name, or cut off, in one line; the whole is its tooltip."""
        name = Truncator(user_agent_name(row.user_agent)).chars(AGENT_CHARACTERS)
        return format_html('<span title="{}">{}</span>', row.user_agent, name)


class StateFilter(admin.SimpleListFilter):
    """Shows the sessions that go on, or those that have expired and were not pruned yet."""

    title = pgettext_lazy("session", "state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("live", LIVE), ("expired", EXPIRED)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        now = timezone.now()
        if self.value() == "live":
            return queryset.filter(expires_at__gt=now)
        return queryset.filter(expires_at__lte=now) if self.value() == "expired" else queryset


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    actions = ("delete_selected",)
    fields = (
        "id",
        "user",
        "ip",
        "user_agent",
        "created_at",
        "authenticated_at",
        "proofs",
        "last_seen_at",
        "passive_seen_at",
        "expires_at",
        "state",
    )
    list_display = (
        "short_id",
        "of_user",
        "ip",
        "agent",
        "last_seen_at",
        "expires_at",
        "state",
    )
    list_filter = (StateFilter, ("user", admin.EmptyFieldListFilter))
    list_select_related = ()  # get_queryset() sees to it
    ordering = ("-expires_at",)
    search_fields = ("id",)  # for the field to be there: see get_search_results()
    search_help_text = _(
        "The name of a user, or part of it; an IP address, or the id of a session."
    )
    sortable_by = ("expires_at", "of_user")  # which have an index

    @admin.display(description=_("session id"))
    def short_id(self, session: Session) -> str:
        return f"{session.id[:8]}…"

    @admin.display(description=_("user"), ordering="user_id", empty_value="-")
    def of_user(self, session: Session) -> Any:
        return session.user  # by a name of its own, since to sort by "user" joins the users

    @admin.display(description=pgettext_lazy("session", "state"))
    def state(self, session: Session) -> Any:
        return LIVE if session.expires_at > timezone.now() else EXPIRED

    @admin.display(description=_("proven by"))
    def proofs(self, session: Session) -> str:
        return _proofs(SessionInfo.of(session).methods)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """Return the sessions with their users: by a query of their own, if they are elsewhere."""
        if not kept_rows().in_table:
            return cast("QuerySet[Session]", StoredSessions())
        rows = super().get_queryset(request)
        if _users_are_here():
            return rows.select_related("user")
        return rows.prefetch_related(Prefetch("user", queryset=_users()))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        """Return the sessions of an address, with an id, or of the users whom the term names."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if is_session_id(term):
            return queryset.filter(id=term), False
        with suppress(ValueError):
            return queryset.filter(ip=str(ip_address(term))), False
        return queryset.filter(user_id__in=ids_of_users(term)), False

    # The admin says "delete": we end the session, with its event and its signal.

    @admin.action(permissions=["delete"], description=_("End selected %(verbose_name_plural)s"))
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Session]) -> Any:
        """Ask first; then end them, in one entry of the admin's log if they are many."""
        if not request.POST.get("post"):
            return delete_selected(self, request, queryset)
        ended = end_by_ids(
            queryset.order_by().values_list("id", flat=True), reason=EndReason.ENDED_BY_ADMIN
        )
        LogEntry.objects.create(
            user_id=str(request.user.pk),
            content_type=ContentType.objects.get_for_model(Session, for_concrete_model=False),
            object_repr=f"{ended} {self.opts.verbose_name_plural}",
            action_flag=DELETION,
        )
        self.message_user(
            request,
            ngettext("Ended %(count)d session.", "Ended %(count)d sessions.", ended)
            % {"count": ended},
        )
        return None

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return how many sessions would end: to list each would take megabytes."""
        count = len(objs) if isinstance(objs, list) else objs.order_by().count()
        name = self.opts.verbose_name if count == 1 else self.opts.verbose_name_plural
        missing = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        return [f"{count} {name}"], {self.opts.verbose_name_plural: count}, missing, []

    def delete_model(self, request: HttpRequest, obj: Session) -> None:
        end_by_ids([obj.id], reason=EndReason.ENDED_BY_ADMIN)


class ReasonFilter(admin.SimpleListFilter):
    """Offers the reasons that there are, without a look at each row."""

    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(reason), text) for reason, text in REASONS.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[EndedSession]
    ) -> QuerySet[EndedSession]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(EndedSession)
class EndedSessionAdmin(ReadOnlyAdmin):
    fields = (
        "session_id",
        "user_id",
        "why",
        "ip",
        "user_agent",
        "created_at",
        "proofs",
        "ended_at",
    )
    list_display = ("user_id", "why", "ip", "agent", "created_at", "ended_at")
    list_filter = ("ended_at", ReasonFilter)
    ordering = ("-ended_at",)
    search_fields = ("session_id__exact", "user_id__exact")
    search_help_text = _("The id of a session, or that of a user.")
    sortable_by = ("ended_at", "user_id")

    @admin.display(description=_("reason"))
    def why(self, ended: EndedSession) -> Any:
        return REASONS.get(cast("EndReason", ended.reason), ended.reason)

    @admin.display(description=_("proven by"))
    def proofs(self, ended: EndedSession) -> str:
        return _proofs(read_methods(ended.methods))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(GuessCount)
class GuessCountAdmin(ReadOnlyAdmin):
    """To unlock an account: search for its name, and delete what was counted.

    The rows hold no names: a search computes the ids of the rows for a name.
    """

    list_display = ("short_id", "failures", "next_guess_at")
    ordering = ("expires_at",)
    search_fields = ("id",)
    search_help_text = _(
        "The name or e-mail address of an account, or an IP address, as it was typed. "
        "Delete what is found to unlock it."
    )

    @admin.display(description=_("id"))
    def short_id(self, count: GuessCount) -> str:
        return f"{count.id[:8]}…"

    @admin.display(description=_("next guess at"))
    def next_guess_at(self, count: GuessCount) -> datetime | None:
        return datetime.fromtimestamp(count.next_at, UTC) if count.next_at else None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[GuessCount], search_term: str
    ) -> tuple[QuerySet[GuessCount], bool]:
        ids = accounts.row_ids(search_term.strip()) if search_term else []
        return queryset.filter(id__in=ids), False


@admin.register(RequiredPassword)
class RequiredPasswordAdmin(ReadOnlyAdmin):
    """Who must set a new password. To let somebody log in with the old one, delete their row."""

    list_display = ("user_id", "required_at")
    ordering = ("user_id",)
    search_fields = ("=user_id",)


class UserAdminWithActions(UserActions, UserAdmin):  # type: ignore[type-arg]  # as above
    """Django's own, with the actions."""


def add_actions(site: admin.AdminSite) -> None:
    """Add the actions to Django's own ``UserAdmin``, if that is what the site has."""
    users = get_user_model()
    if type(site._registry.get(users)) is UserAdmin:
        site.unregister(users)
        site.register(users, UserAdminWithActions)


add_actions(admin.site)


def _proofs(methods: Mapping[str, datetime | None]) -> str:
    """Return how its user has proven who they are, each way by what people call it, and when."""
    stages = {name: stage_of(name) for name in methods}
    labels = {name: stage.methods[name].label for name, stage in stages.items() if stage}
    called = {name: str(labels.get(name) or LABELS.get(name, name)) for name in methods}
    return ", ".join(
        f"{called[name]} ({display_for_value(at, '')})" for name, at in methods.items()
    )


def ids_of_users(term: str) -> list[Any]:
    """Return the primary keys of the users whose name has the term.

    If it is the whole name of a user, that is the only one. Otherwise they are ``FOUND_USERS`` at
    most: any database takes so many keys in one statement.
    """
    users = _users().order_by()
    found = users.filter(**{_name_field(): term}) or users.filter(
        **{f"{_name_field()}__icontains": term}
    )
    return [user.pk for user in found[:FOUND_USERS]]


def _users() -> QuerySet[Any]:
    """Return the users, from the database of users. (From a session, Django would take its own.)"""
    users = get_user_model()
    return users._base_manager.using(router.db_for_read(users))


def _users_are_here() -> bool:
    """Say whether sessions can be joined with their users."""
    return _users().db == router.db_for_read(Session)


def _name_field() -> str:
    return str(get_user_model().USERNAME_FIELD)
