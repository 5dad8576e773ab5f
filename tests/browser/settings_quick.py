"""The demo with a hash of passwords that takes no time: tests sign in all the time."""

from config.settings import *  # noqa: F403  # a variant of the demo

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
