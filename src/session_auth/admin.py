"""Sessions in the admin: who is logged in from where. Staff can end them, and never see a key.

Staff can also unlock an account by deleting its counts of guesses.
"""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_value
from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from session_auth import throttling
from session_auth.models import EndedSession, GuessCount, Session
from session_auth.sessions.listing import end_by_ids
from session_auth.sessions.values import SessionInfo
from session_auth.signals import EndReason
from session_auth.user_agents import user_agent_name

AGENT_CHARACTERS = 40
FOUND_USERS = 500


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("user agent"), ordering="user_agent")
    def agent(self, row: Session | EndedSession) -> SafeString:
        """Return the user agent by its name, or cut off, in one line; the whole is its tooltip."""
        name = Truncator(user_agent_name(row.user_agent)).chars(AGENT_CHARACTERS)
        return format_html('<span title="{}">{}</span>', row.user_agent, name)


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    date_hierarchy = "last_seen_at"
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
    )
    list_display = ("short_id", "of_user", "ip", "agent", "last_seen_at", "expires_at")
    list_filter = ("last_seen_at", ("user", admin.EmptyFieldListFilter))
    list_select_related = ()  # get_queryset() sees to it
    ordering = ("-last_seen_at",)

    @admin.display(description=_("session id"), ordering="id")
    def short_id(self, session: Session) -> str:
        return f"{session.id[:8]}…"

    @admin.display(description=_("user"), ordering="user_id", empty_value="-")
    def of_user(self, session: Session) -> Any:
        return session.user  # by a name of its own, since to sort by "user" joins the users

    @admin.display(description=_("proven by"))
    def proofs(self, session: Session) -> str:
        methods = SessionInfo.of(session).methods
        return ", ".join(f"{name} ({display_for_value(at, '')})" for name, at in methods.items())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """Return the sessions with their users: by a query of their own, if they are elsewhere."""
        rows = super().get_queryset(request)
        if _users_are_here():
            return rows.select_related("user")
        return rows.prefetch_related(Prefetch("user", queryset=_users()))

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        own = ("id", "ip")
        return (*own, f"user__{_name_field()}") if _users_are_here() else own

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        """Return the sessions that match, if only by the name of a user who is elsewhere.

        Of so many users at most that any database takes their keys in one statement.
        """
        found, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        if search_term and not _users_are_here():
            users = _users().filter(**{f"{_name_field()}__icontains": search_term})
            ids = list(users.values_list("pk", flat=True)[:FOUND_USERS])
            found |= queryset.filter(user_id__in=ids)
        return found, may_have_duplicates

    # The admin says "delete": we end the session, with its event and its signal.

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return how many sessions would end: to list each would take megabytes."""
        count = objs.count() if isinstance(objs, QuerySet) else len(objs)
        name = self.opts.verbose_name if count == 1 else self.opts.verbose_name_plural
        missing = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        return [f"{count} {name}"], {self.opts.verbose_name_plural: count}, missing, []

    def delete_model(self, request: HttpRequest, obj: Session) -> None:
        end_by_ids([obj.id], reason=EndReason.ENDED_BY_ADMIN)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        end_by_ids(queryset.values_list("id", flat=True), reason=EndReason.ENDED_BY_ADMIN)


@admin.register(EndedSession)
class EndedSessionAdmin(ReadOnlyAdmin):
    date_hierarchy = "ended_at"
    list_display = ("user_id", "reason", "ip", "agent", "created_at", "ended_at")
    list_filter = ("ended_at", "reason")
    ordering = ("-ended_at",)
    search_fields = ("=session_id", "=user_id", "ip")

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
        ids = throttling.row_ids(search_term.strip()) if search_term else []
        return queryset.filter(id__in=ids), False


def _users() -> QuerySet[Any]:
    """Return the users, from their database; a router proposes that of the session otherwise."""
    users = get_user_model()
    return users._base_manager.using(router.db_for_read(users))


def _users_are_here() -> bool:
    """Say whether sessions can be joined with their users."""
    return _users().db == router.db_for_read(Session)


def _name_field() -> str:
    return str(get_user_model().USERNAME_FIELD)
