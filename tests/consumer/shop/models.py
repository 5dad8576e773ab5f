from django.contrib.auth.models import AbstractUser
from django.db import models


class Customer(AbstractUser):
    card_number: "models.CharField[str, str]" = models.CharField(max_length=20, blank=True)
