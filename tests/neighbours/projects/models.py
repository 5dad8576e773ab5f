"""User models as other projects have them; ``declared.py`` says which project has which."""

import uuid
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class Users(BaseUserManager[Any]):
    def create_user(self, name: str, password: str | None = None) -> Any:
        user = self.model(**{self.model.USERNAME_FIELD: name})
        user.set_password(password)
        user.save()
        return user


class CaselessUsers(Users):
    def get_by_natural_key(self, username: str | None) -> Any:
        return self.get(name__iexact=username)


class Person(AbstractBaseUser):
    name = models.CharField(max_length=80, unique=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "name"

    objects = Users()

    def __str__(self) -> str:
        return self.name


class Proxy(Person):
    class Meta:
        proxy = True


class Child(Person):
    """A user model in two tables."""

    badge = models.CharField(max_length=20, default="")


class Caseless(AbstractBaseUser):
    name = models.CharField(max_length=80, unique=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "name"

    objects = CaselessUsers()

    def __str__(self) -> str:
        return self.name


class WithUUID(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=80, unique=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "name"

    objects = Users()

    def __str__(self) -> str:
        return self.name


class WithEmail(AbstractBaseUser):
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    objects = Users()

    def __str__(self) -> str:
        return self.email
