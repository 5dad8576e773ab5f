import os
import ssl
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import replace
from getpass import getpass
from shutil import get_terminal_size
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.urls import NoReverseMatch, reverse

from session_auth.doctor import audit
from session_auth.doctor.findings import Finding, Level
from session_auth.doctor.login import examine_login
from session_auth.doctor.probe import arrive, examine
from session_auth.doctor.project import examine_database, examine_settings
from session_auth.doctor.report import as_json, as_rows, summary
from session_auth.doctor.visit import Expected, Visit
from session_auth.doctor.wire import Caller, Site

PASSWORD_VARIABLE = "SESSION_DOCTOR_PASSWORD"  # noqa: S105 # a name
COULD_NOT_RUN = 2


class Command(BaseCommand):
    help = (
        "Look for what is set up wrongly: in the settings, in the database and, given a URL, in "
        "what a deployment answers. Changes nothing, and sends no credentials unless told to."
    )
    requires_system_checks = ()  # it runs them itself, and goes on after an error

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", help="the origin to look at, such as https://example.org")
        parser.add_argument(
            "--base-path", help="where session_auth.urls is (default: as in the URLconf)"
        )
        parser.add_argument(
            "--http-url", help="where plain HTTP is served (default: port 80, if --url has no port)"
        )
        parser.add_argument(
            "--ca", metavar="FILE", help="trust this CA (PEM) instead of the system's"
        )
        parser.add_argument(
            "--timeout",
            type=float,
            default=10,
            help="seconds for each answer (default: %(default)s)",
        )
        parser.add_argument(
            "--username",
            help=f"log in as this user and out again; the password is asked for, or taken from the "
            f"environment ({PASSWORD_VARIABLE})",
        )
        parser.add_argument("--json", action="store_true", help="print JSON, for machines")
        parser.add_argument(
            "--report",
            choices=list(audit.LEVELS),
            help="print a report for an audit instead, of this level of OWASP ASVS 5.0: a page of "
            "HTML, or JSON with --json",
        )
        parser.add_argument(
            "--fail-level",
            choices=[Level.WARN.value, Level.FAIL.value],
            default=Level.FAIL.value,
            help="exit with 1 if there is a finding of this level or a worse one "
            "(default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            visiting = _callers(options) if options["url"] else None
            password = _password() if options["username"] else ""
        except ValueError as exc:
            raise CommandError(str(exc), returncode=COULD_NOT_RUN) from exc
        try:
            findings = [*examine_settings(), *examine_database()]
        except Exception as exc:  # a project that cannot be loaded can raise anything
            message = f"The checks could not be run: {type(exc).__name__}: {exc}"
            raise CommandError(message, returncode=COULD_NOT_RUN) from exc
        if visiting:
            findings += _visit(*visiting, options["username"], password)
        if options["report"]:
            self._write_report(findings, level=options["report"], as_json_text=options["json"])
            return
        self._report(findings, as_json_text=options["json"])
        limit = Level(options["fail_level"]).severity
        if any(finding.level.severity >= limit for finding in findings):
            raise CommandError(summary(findings), returncode=1)

    def _write_report(self, findings: list[Finding], *, level: str, as_json_text: bool) -> None:
        answers = audit.audit(findings, level=level)
        write = audit.as_json if as_json_text else audit.as_html
        self.stdout.write(write(answers, level=level))

    def _report(self, findings: list[Finding], *, as_json_text: bool) -> None:
        if as_json_text:
            self.stdout.write(as_json(findings))
            return
        styles = {Level.FAIL: self.style.ERROR, Level.WARN: self.style.WARNING}
        for level, block in as_rows(findings, columns=get_terminal_size().columns):
            self.stdout.write(styles.get(level, str)(block))
        self.stdout.write(summary(findings))


def _callers(options: dict[str, Any]) -> tuple[Caller, Caller | None]:
    """Return callers of the site: over HTTPS, and over plain HTTP if its port is known."""
    base_path, seconds, ca_file = options["base_path"], options["timeout"], options["ca"]
    site = Site.at(options["url"], base_path or _base_path())
    if seconds <= 0:
        raise ValueError("--timeout must be above 0.")
    if ca_file:
        try:
            ssl.create_default_context(cafile=ca_file)
        except OSError as exc:
            raise ValueError(f"--ca {ca_file}: {exc.strerror}") from exc
    caller = Caller(site=site, timeout_seconds=seconds, ca_file=ca_file)
    plain = site.over_plain_http()
    if options["http_url"]:
        plain = Site.at(options["http_url"], site.base_path)
    return caller, replace(caller, site=plain) if plain else None


def _base_path() -> str:
    try:
        return reverse("session_auth:csrf").removesuffix("csrf/")
    except NoReverseMatch as exc:
        raise ValueError("session_auth.urls is not in the URLconf: give --base-path.") from exc


def _password() -> str:
    password = os.environ.get(PASSWORD_VARIABLE) or (
        getpass("Password: ") if sys.stdin.isatty() else ""
    )
    if not password:
        raise ValueError(f"--username needs a password: set {PASSWORD_VARIABLE}.")
    return password


def _visit(
    caller: Caller, http: Caller | None, username: str | None, password: str
) -> Iterator[Finding]:
    arrived = arrive(caller, expected=Expected.by_settings(), http=http)
    if not isinstance(arrived, Visit):
        yield arrived
        yield Finding(id="probe", level=Level.SKIP, subject="All else", seen="nothing to look at")
        return
    yield from examine(arrived)
    if username:
        yield from examine_login(arrived, username=username, password=password)
