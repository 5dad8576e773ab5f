"""Second factors of the shop: whoever calls the desk has lost a phone."""

from typing import Any

from django.http import HttpRequest

from session_auth import throttling
from session_auth.factors.removal import remove_all
from session_auth.factors.setup_stage import SetUpFactor
from session_auth.factors.stages import SecondFactor
from session_auth.factors.takeover import take_over_app
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


def from_the_old_shop(customer: Customer, secret: bytes) -> bool:
    return take_over_app(customer, secret)
