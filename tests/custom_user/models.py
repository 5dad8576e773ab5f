import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class MemberManager(BaseUserManager["Member"]):
    def create_user(self, email: str, password: str, *, active: bool = True) -> "Member":
        member = self.model(email=email, active=active)
        member.set_password(password)
        member.save()
        return member


class Member(AbstractBaseUser):
    """A user who has no ``id``, no ``username`` and no ``is_active`` column."""

    key = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    active = models.BooleanField(default=True)
    photo = models.FileField(blank=True)
    last_login = None

    USERNAME_FIELD = "email"

    objects = MemberManager()

    def __str__(self) -> str:
        return self.email

    def check_password(self, raw_password: str | None) -> bool:
        """Forgive the spaces that come with a copied password."""
        return super().check_password(raw_password and raw_password.strip())

    @property
    def is_active(self) -> bool:  # type: ignore[override]  # a class attribute of the base
        return self.active

    @property
    def label(self) -> str:
        return self.email.split("@")[0]


class Guest(Member):
    """A proxy, by which some code of the project knows its users."""

    class Meta:
        proxy = True


class Employee(Member):
    """A child, with a table of its own."""

    badge = models.CharField(max_length=20, default="")
