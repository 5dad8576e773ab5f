"""The database has the indexes that a statement of ours needs, and no other: each costs writes."""

import pytest
from django.apps import apps
from django.db import connection

pytestmark = pytest.mark.django_db

KEYS = {
    "adoptedsession": "session_id",
    "session": "id",
    "userstamp": "user_id",
    "endedsession": "session_id",
    "guesscount": "id",
    "devicegeneration": "user_id",
    "hashupgrade": "before",
    "loginattempt": "id",
    "pendingmail": "id",
    "requiredpassword": "user_id",
    "tombstone": "session_id",
}

# For each index, who needs it.
INDEXES = {
    ("session", "user_id", "created_at"),  # the list, the oldest above MAX_SESSIONS
    ("session", "expires_at"),  # pruning, the order of the admin's list
    ("userstamp", "ended_before"),  # pruning
    ("endedsession", "ended_at"),  # pruning, the order of the admin's list
    ("endedsession", "user_id"),  # the search of the admin
    ("guesscount", "expires_at"),  # pruning
    ("hashupgrade", "expires_at"),  # pruning
    ("loginattempt", "expires_at"),  # pruning
    ("tombstone", "until"),  # pruning
    ("pendingmail", "due_at"),  # what is to be sent
}


def test_each_table_has_the_indexes_that_are_used_and_no_other() -> None:
    keys, indexes = {}, []
    with connection.cursor() as cursor:
        for model in apps.get_app_config("session_auth").get_models():
            table = model._meta.db_table
            name = table.removeprefix("session_auth_")
            for each in connection.introspection.get_constraints(cursor, table).values():
                if each["primary_key"]:
                    keys[name] = ",".join(each["columns"])
                elif each["index"] or each["unique"]:
                    indexes.append((name, *each["columns"]))

    assert keys == KEYS
    assert sorted(indexes) == sorted(INDEXES)
