from collections.abc import Mapping
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from session_auth.backends import ModelBackend, ThrottleMixin
from session_auth.passwords import check_password
from shop.models import Customer


class ActiveCustomers(ModelBackend):
    pass


class _ByCardNumber(BaseBackend):
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Customer | None:
        customer = Customer.objects.filter(card_number=kwargs.get("card_number")).first()
        if customer is None or not check_password(customer, password or ""):
            return None
        return customer


class ByCardNumber(ThrottleMixin, _ByCardNumber):
    def account_name(self, username: str | None, credentials: Mapping[str, Any]) -> str | None:
        number: str | None = credentials.get("card_number")
        return number
