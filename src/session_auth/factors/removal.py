"""Help for users who have lost their factors: an administrator removes them."""

from collections.abc import Callable

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest

from session_auth import later, throttling
from session_auth.factors import changes, mail, rows
from session_auth.factors.changes import Change
from session_auth.sessions.listing import end_kept_sessions
from session_auth.signals import EndReason

__all__ = ["remove_all"]


def remove_all(
    user: AbstractBaseUser,
    *,
    reason: str,
    request: HttpRequest | None = None,
    deliver: Callable[[int], None] = later.wake,
) -> int:
    """Remove all factors of ``user``, and end all their sessions; return how many factors.

    First make sure who asks for it: from then on, the password alone is enough. The user is told by
    mail. ``reason`` is logged, with who has done it if ``request`` is given. All their devices are
    unknown from then on, and what was counted against them is forgotten.
    """
    if not reason:
        raise ValueError("Give a reason: it is logged.")
    by = None if request is None else request.user.pk
    rows.handle_of(user.pk)
    with rows.STORE.guards(), transaction.atomic(using=rows.STORE.alias()):
        rows.lock(user.pk)
        removed = rows.remove(user.pk)
        end_kept_sessions(user, reason=EndReason.FACTOR_REMOVED)
        change = Change.REMOVED_BY_ADMIN
        mail_id = mail.post_notice(request, user, change=change, kind="all", by_staff=True)
        fields = {"reason": reason, "count": removed, "by": by}
        changes.tell(request, user, change, kind="all", mail_id=mail_id, deliver=deliver, **fields)
    throttling.throw_out_devices(user)
    throttling.forget(user)
    return removed
