import os
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from articles.models import Article

ARTICLES = {
    "bob": ("Why a cookie?", "The browser keeps it, sends it, and hides it from scripts."),
    "alice": ("Write one yourself", "Then sign out in another tab, and try to write again here."),
}


class Command(BaseCommand):
    help = "Create the demo's users, alice (who may use the admin) and bob, and two articles."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Users with a known password are for DEBUG only.")
        password = os.environ.get("DEMO_PASSWORD", "demo-only-password")
        for username, is_staff in (("alice", True), ("bob", False)):
            user, _ = User.objects.get_or_create(
                username=username,
                defaults={
                    "email": f"{username}@example.org",
                    "is_staff": is_staff,
                    "is_superuser": is_staff,
                },
            )
            if not user.check_password(password):
                user.set_password(password)
                user.save(update_fields=["password"])
        if not Article.objects.exists():
            for username, (title, body) in ARTICLES.items():
                author = User.objects.get(username=username)
                Article.objects.create(title=title, body=body, author=author)
        self.stdout.write(f"Sign in as alice (who may use the admin) or bob: {password}")
        self.stdout.write("Their addresses are alice@example.org and bob@example.org.")
