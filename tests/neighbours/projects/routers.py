"""Where reads and writes go. A project of two databases has the tables of both in each."""

from typing import Any

USERS = {"auth", "contenttypes", "admin", "projects"}


class ReadsFromReplica:
    """A replica that has what ``story.py`` lets it have."""

    def db_for_read(self, model: Any, **hints: object) -> str:
        return "other"

    def db_for_write(self, model: Any, **hints: object) -> str:
        return "default"

    def allow_relation(self, *objects: object, **hints: object) -> bool:
        return True


class SessionsElsewhere:
    def db_for_read(self, model: Any, **hints: object) -> str:
        return "other" if model._meta.app_label == "session_auth" else "default"

    db_for_write = db_for_read


class UsersElsewhere:
    def db_for_read(self, model: Any, **hints: object) -> str:
        return "other" if model._meta.app_label in USERS else "default"

    db_for_write = db_for_read
