"""Sessions of others: list who is signed in, and end sessions."""

from collections.abc import Mapping
from logging import Formatter
from typing import Any

from django.dispatch import receiver
from django.http import HttpRequest
from django.template import Context

from session_auth.engines.database import SessionStore
from session_auth.engines.database_and_redis import SessionStore as LeavingRedis
from session_auth.engines.redis import SessionStore as RedisSessionStore
from session_auth.engines.redis_and_database import SessionStore as GoingToRedis
from session_auth.formatters import ECSFormatter, OCSFFormatter
from session_auth.sessions import (
    Deadlines,
    SessionInfo,
    aend_session,
    aend_sessions,
    end_all_sessions,
    end_session,
    end_sessions_of_users,
    list_sessions,
    listen_for_ends,
    prune_sessions,
)
from session_auth.signals import (
    EndReason,
    csrf_token_needed,
    session_ended,
    session_ended_anywhere,
)
from session_auth.templatetags.session_auth import session_auth_client
from shop.models import Customer

counts: dict[str, int] = {}

LOG_FORMATS: dict[str, type[Formatter]] = {"ocsf": OCSFFormatter, "ecs": ECSFormatter}


@receiver(session_ended)
@receiver(session_ended_anywhere)
def forget_session(*, session_id: str, user_id: Any, reason: EndReason, **kwargs: Any) -> None:
    counts[reason] = counts.get(reason, 0) + 1


@receiver(csrf_token_needed)
def count_old_browsers(*, request: HttpRequest, **kwargs: Any) -> None:
    counts["old"] = counts.get("old", 0) + 1


listen_for_ends()


def lock_out(customer: Customer) -> list[str]:
    ended: list[str] = []
    for session in list_sessions(customer):
        ended.append(f"{session.ip} {session.user_agent} {session.last_seen_at.isoformat()}")
        end_session(customer, session.id, reason=EndReason.ENDED_BY_ADMIN)
    return ended


async def lock_out_async(customer: Customer) -> int:
    await aend_session(customer, "unknown")
    return await aend_sessions(customer, but=None, reason=EndReason.ENDED_BY_ADMIN)


def this_session(request: HttpRequest) -> tuple[SessionInfo | None, Deadlines | None]:
    session = request.session
    if not isinstance(session, SessionStore | RedisSessionStore | GoingToRedis | LeavingRedis):
        return None, None
    session.passive = True
    session.prove("totp")
    proven_at = session.info and session.info.methods["totp"]
    if session.info and proven_at and proven_at < session.info.created_at:
        session.end(EndReason.ENDED_BY_ADMIN)
    return session.info, session.deadlines()


def close_dormant() -> int:
    dormant = Customer.objects.filter(last_login=None)
    dormant.update(is_active=False)
    return end_sessions_of_users(dormant, reason=EndReason.DEACTIVATED)


def after_a_leak() -> int:
    return end_all_sessions() + prune_sessions(batch=1000)


def client(context: Mapping[str, Any]) -> str:
    return session_auth_client(Context(dict(context)), integrity=True)
