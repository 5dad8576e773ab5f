from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from tests.custom_user.models import Member


class BadgeBackend(BaseBackend):
    """Lets members in with the first characters of their key, as a badge reader would."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        member = Member.objects.filter(email=credentials["username"]).first()
        badge = f"badge-{str(member.key)[:8]}" if member else None
        return member if credentials["password"] == badge else None

    def get_user(self, user_id: Any) -> Any:
        return Member.objects.filter(pk=user_id).first()
