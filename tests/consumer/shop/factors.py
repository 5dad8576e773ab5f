"""Second factors of the shop: whoever calls the desk has lost a phone."""

from typing import Any

from django.http import HttpRequest

from session_auth import throttling
from session_auth.factors.removal import remove_all
from session_auth.factors.setup_stage import SetUpFactor
from session_auth.factors.stages import SecondFactor
from session_auth.factors.takeover import Found, Result, app, passkey, recovery_code, take_over
from shop.models import Customer


class SecondFactorAtNight(SecondFactor):
    def is_due(self, user: Any, request: HttpRequest) -> bool:
        is_strange = not throttling.is_known_device(request, user)
        at_night = request.headers.get("X-Night") == "1"
        return (at_night or is_strange) and super().is_due(user, request)


class SetUpFactorForStaff(SetUpFactor):
    code = "staff_factor_setup_required"


def help_at_the_desk(request: HttpRequest, customer: Customer) -> int:
    return remove_all(customer, reason="Showed a passport at the desk.", request=request)


def from_the_old_shop(customer: Customer, secret: bytes, key: bytes, codes: list[str]) -> int:
    found: list[Found] = [app("app", user_id=customer.pk, secret=secret)]
    found.append(passkey("key", user_id=customer.pk, credential_id=b"1", public_key=key))
    found += [recovery_code("codes", user_id=customer.pk, code=code) for code in codes]
    result: Result = take_over(found, source="the old shop", dry_run=True)
    return len(result.taken)
