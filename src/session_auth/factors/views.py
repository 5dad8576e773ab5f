"""The factors of the user who is logged in: listed, and the recovery codes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, JsonResponse

from session_auth import csrf, flows
from session_auth.answers import json_response, no_content
from session_auth.exceptions import NotFound
from session_auth.factors import changes, proofs, recovery, rows
from session_auth.factors.changes import Change
from session_auth.factors.models import Factor, Kind
from session_auth.http import JSONView, read_json
from session_auth.operations import Caller, FactorsAnswer, Operation, RecoveryCodes
from session_auth.sessions.base import session_of


class FactorView(JSONView):
    """A view that changes the factors of the user who is logged in."""

    login_required = False

    def store(self, user: AbstractBaseUser, factor: Factor) -> None:
        """Store a new factor, which the user has just proven: so the session has proven it."""
        kind = Kind(factor.kind)
        with changes.announced(self.request, user, Change.ADDED, kind=kind):
            replaced = kind == Kind.TOTP and rows.remove(user.pk, kind)
            if replaced:
                changes.end_sessions_opened_by(self.request, user.pk, kind)
            factor.save(using=rows.STORE.alias(), force_insert=True)
            session_of(self.request).prove(kind)
        csrf.follow_session(self.request)

    @contextmanager
    def removing(
        self, user: AbstractBaseUser, kind: Kind, factor_id: str | None = None
    ) -> Iterator[None]:
        """Remove a factor, and end the sessions that it opened. Raises ``NotFound``.

        The block says what is left, in the same transaction: if it cannot, nothing has changed.
        """
        with changes.announced(self.request, user, Change.REMOVED, kind=kind):
            if not rows.remove(user.pk, kind, factor_id=factor_id):
                raise NotFound
            is_left = changes.end_sessions_opened_by(self.request, user.pk, kind)
            yield
        if not is_left:
            flows.log_out(self.request)

    def remove(self, user: AbstractBaseUser, kind: Kind) -> None:
        """Do what ``removing()`` does, for kinds of which nothing needs to be said."""
        with self.removing(user, kind):
            pass

    def changed_response(self, user: AbstractBaseUser, more: Mapping[str, Any]) -> JsonResponse:
        """Return the answer to a change that has given the session a new key, as a proof does."""
        return json_response({**self.user_data(user), **more}, status=201)


class FactorsView(JSONView):
    """``GET factors/``: what the user can prove who they are with, beside the password."""

    login_required = False
    operations: Mapping[str, Operation] = {
        "get": Operation(answer=FactorsAnswer, caller=Caller.USER)
    }

    def get(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_login(request)
        factors = rows.of_user(user.pk)
        of_kind = {kind: [each for each in factors if each.kind == kind] for kind in Kind}
        answer: FactorsAnswer = {
            "passkeys": [rows.describe(each) for each in of_kind[Kind.PASSKEY]],
            "totp": next(map(rows.describe, of_kind[Kind.TOTP]), None),
            "recovery_codes_left": len(of_kind[Kind.RECOVERY]),
            "available": proofs.available(),
        }
        return json_response(answer)


class RecoveryCodesView(FactorView):
    """``POST factors/recovery-codes/``: ten new codes, shown once. ``DELETE``: none any more.

    Both end the other sessions that an old code has opened. After new codes, the own one goes on as
    it is: who has lost their phone logs in by a code, and makes new ones first of all.
    """

    operations: Mapping[str, Operation] = {
        "post": Operation(answer=RecoveryCodes, status=201, caller=Caller.RECENT, body={}),
        "delete": Operation(caller=Caller.RECENT, body={}, refusals=(NotFound,)),
    }

    def post(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_recent_login(request, level=None)
        read_json(request, {})
        codes = recovery.new_codes()
        with changes.announced(request, user, Change.RECOVERY_MADE, kind=Kind.RECOVERY):
            rows.remove(user.pk, Kind.RECOVERY)
            # Who makes new ones may know that somebody has the old ones, and has got in by one.
            changes.end_others_opened_by(request, user.pk, Kind.RECOVERY)
            rows.add(recovery.rows_for(user.pk, codes))
        answer: RecoveryCodes = {"recovery_codes": codes}
        return json_response(answer, status=201)

    def delete(self, request: HttpRequest) -> HttpResponse:
        user = flows.require_recent_login(request, level=None)
        read_json(request, {})
        self.remove(user, Kind.RECOVERY)
        return no_content()
