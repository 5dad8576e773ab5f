from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.core.checks import ERROR
from django.core.management.base import CommandError
from django.db import connections
from django.utils.module_loading import import_string

from session_auth.checks import adoption as rules
from session_auth.conf import get_conf
from session_auth.management.base import StoreCommand
from session_auth.management.edits import edits_of_settings, edits_of_urls
from session_auth.sessions import adoption
from session_auth.sessions.pruning import in_batches

RULES = (
    rules.old_engine_can_be_read,
    rules.old_cookie_is_read,
    rules.living_sessions_are_adopted,
    rules.backends_of_sessions_are_there,
)
"""The checks that keep a switch from signing people out."""

NEIGHBOURS = (
    *("allauth", "channels", "django_cas_ng", "django_otp", "ninja", "rest_framework"),
    *("drf_spectacular", "strawberry_django", "two_factor"),
)


class Command(StoreCommand):
    help = (
        "Switch a running site to this package without signing anybody out: before, print the "
        "edits; meanwhile, say how many sessions are not taken over yet; at last, --finish."
    )
    requires_system_checks = ()  # before the switch, many would fail

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--finish",
            action="store_true",
            help="delete all that the old engine has; from then on, there is no way back",
        )
        parser.add_argument(
            "--sign-out",
            action="store_true",
            help="with --finish: also if sessions are left that were not taken over",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["finish"]:
            self._finish(sign_out=options["sign_out"])
            return
        is_switched = rules.engine_is_ours()
        self._tell_project()
        edits = {"settings": list(edits_of_settings()), "urls.py": list(edits_of_urls())}
        for file, lines in edits.items():
            if lines:
                self.stdout.write(f"\nEdit your {file}:\n")
                for line in lines:
                    self.stdout.write(line)
        if not is_switched:
            self.stdout.write(
                "\nThen run 'manage.py migrate', 'manage.py check --database default', and this "
                "again. Going back is undoing the edits."
            )
            return
        problems = [each for rule in RULES for each in rule(databases=list(connections))]
        for problem in problems:
            self.stdout.write(self.style.ERROR(f"\n({problem.id}) {problem.msg}\n{problem.hint}"))
        if any(problem.level >= ERROR for problem in problems):
            raise CommandError("As it is, people would be signed out.")
        self._tell_waiting()

    def _tell_project(self) -> None:
        facts = {
            "User model": settings.AUTH_USER_MODEL,
            "Backends": ", ".join(settings.AUTHENTICATION_BACKENDS),
            "Engine": settings.SESSION_ENGINE,
            "Session cookie": settings.SESSION_COOKIE_NAME,
            "CSRF cookie": settings.CSRF_COOKIE_NAME,
        }
        if not rules.engine_is_ours():
            facts["Living sessions"] = _living()
        if found := [name for name in NEIGHBOURS if apps.is_installed(name)]:
            facts["Neighbours"] = f"{', '.join(found)} (see docs/compatibility.md)"
        for name, value in facts.items():
            self.stdout.write(f"{name + ':':18}{value}")

    def _tell_waiting(self) -> None:
        if get_conf().ADOPT_FROM is None:
            self.stdout.write("\nNothing is taken over: SESSION_AUTH_ADOPT_FROM is not set.")
            return
        waiting = adoption.count_waiting()
        if waiting is None:
            engine = get_conf().ADOPT_FROM
            told = f"Nobody can count the sessions of {engine} that are not taken over yet."
        else:
            told = f"Sessions not taken over yet: {waiting}"
        self.stdout.write(f"\n{told}")

    def _finish(self, *, sign_out: bool) -> None:
        if not rules.engine_is_ours():
            raise CommandError("The site still runs on the old engine.")
        waiting = adoption.count_waiting()
        if waiting and not sign_out:
            raise CommandError(
                f"Sessions not taken over yet: {waiting}. Whoever has one would have to log in "
                "again. Wait until they have been used or have expired, or add --sign-out."
            )
        deleted = in_batches(adoption.delete_some_old)
        self.stdout.write(f"Rows of the old engine deleted: {deleted}. There is no way back now.")
        if get_conf().ADOPT_FROM is not None:
            self.stdout.write("Remove SESSION_AUTH_ADOPT_FROM and SESSION_AUTH_ADOPT_COOKIE.")


def _living() -> str:
    """Say how many sessions of the old engine are alive, before the switch."""
    if not issubclass(import_string(f"{settings.SESSION_ENGINE}.SessionStore"), DatabaseStore):
        return "nobody can count those of this engine"
    return str(rules.count_living(list(connections)))
