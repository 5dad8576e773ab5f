"""The report for an audit: what is asked, where this project stands, and how that is known."""

import json
import logging
from datetime import timedelta
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import modify_settings, override_settings

from session_auth.doctor import audit, facts
from session_auth.doctor.facts import FACTS, Fact
from session_auth.doctor.findings import Finding, Level
from tests.checking import PRODUCTION, VALIDATION
from tests.test_ledger import LEDGER

pytestmark = pytest.mark.django_db

DEPLOYED = PRODUCTION | {"SECURE_HSTS_INCLUDE_SUBDOMAINS": True, "SECURE_SSL_REDIRECT": True}


def report(level: str = "asvs-l2", **settings: Any) -> dict[str, Any]:
    out = StringIO()
    with override_settings(**settings):
        call_command("session_doctor", report=level, json=True, stdout=out)
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def row(id: str, **settings: Any) -> dict[str, Any]:  # noqa: A002 # as in the report
    [found] = [each for each in report(**settings)["requirements"] if each["id"] == id]
    return dict(found)


def page(**settings: Any) -> str:
    out = StringIO()
    with override_settings(**settings):
        call_command("session_doctor", report="asvs-l2", stdout=out)
    return out.getvalue()


def test_each_requirement_of_the_level_is_answered() -> None:
    for level, most in (("asvs-l1", 1), ("asvs-l2", 2)):
        told = report(level)

        assert [each["id"] for each in told["requirements"]] == [
            each.id for each in LEDGER.rows if each.standard == "ASVS" and each.level <= most
        ]
        assert told["standard"] == f"OWASP ASVS 5.0, level {most}"
        assert sum(told["summary"].values()) == len(told["requirements"])


def test_nobody_is_left_without_evidence_or_something_to_do() -> None:
    for each in report()["requirements"]:
        assert each["evidence"] or each["to_do"], each["id"]


def test_what_a_check_finds_is_not_met_and_says_what_to_do() -> None:
    sound, broken = row("3.3.1", **DEPLOYED), row("3.3.1", SESSION_COOKIE_SECURE=False)

    assert (sound["status"], sound["to_do"]) == ("met", [])
    assert "Nothing was found by session_auth.E101, session_auth.W101." in sound["evidence"]
    assert broken["status"] == "not met"
    assert any(text.startswith("session_auth.E101: SESSION_") for text in broken["evidence"])
    assert "Set SESSION_COOKIE_SECURE = True in production." in broken["to_do"]


def test_who_silences_a_check_has_to_say_why() -> None:
    silenced = row("3.4.1", **DEPLOYED, SILENCED_SYSTEM_CHECKS=["session_auth.W110"])

    assert silenced["status"] == "to answer"
    assert silenced["to_do"][-1].startswith("Say why SILENCED_SYSTEM_CHECKS has session_auth.W110")
    assert "Nothing was found by security.W005." in silenced["evidence"]


def test_a_site_that_was_not_visited_is_not_said_to_be_sound() -> None:
    evidence = row("3.3.1", **DEPLOYED)["evidence"]

    assert "Nothing was found by session_auth.E101, session_auth.W101." in evidence
    [unseen] = [text for text in evidence if "session-cookie" in text]
    assert unseen == audit.NOT_VISITED.format("session-cookie.secure, session-cookie.prefix")


def test_what_a_visit_could_not_look_at_is_not_said_to_be_sound() -> None:
    skipped = [
        Finding(id=name, level=Level.SKIP, subject="", seen="") for name in ("http.login", "http")
    ]

    [told] = [each for each in audit.audit(skipped, level="asvs-l2") if each.id == "4.1.2"]

    assert "Nothing was found by security.W008." in told.evidence
    assert audit.NOT_VISITED.format("http.login") in told.evidence


def test_what_the_package_does_in_part_is_for_the_project_to_answer() -> None:
    """As what may be called by whom: no package knows the views of the project."""
    told = row("8.1.1")

    assert (told["status"], told["to_do"]) == (
        "to answer",
        ["Write the same down for your own views."],
    )
    assert told["evidence"][0].startswith("inventory.md has each endpoint")


def test_a_hint_counts_where_a_requirement_names_it() -> None:
    digits = [
        *PRODUCTION["AUTH_PASSWORD_VALIDATORS"],
        {"NAME": f"{VALIDATION}.NumericPasswordValidator"},
    ]

    assert row("6.2.5", **DEPLOYED)["status"] == "met"
    assert row("6.2.5", **DEPLOYED | {"AUTH_PASSWORD_VALIDATORS": digits})["status"] == "not met"


def test_what_only_the_project_can_know_is_asked_of_it() -> None:
    asked = row("6.1.2")

    assert asked["status"] == "to answer"
    assert asked["to_do"][-1].startswith("List the names of your organisation")


def test_what_does_not_apply_says_why() -> None:
    told = row("1.5.1")

    assert (told["status"], told["evidence"]) == ("not applicable", ["No XML is read."])


def test_what_needs_factors_is_asked_where_they_are_not_installed() -> None:
    """tests/factors/test_report.py has the same report with them."""
    for name in ("6.5.1", "6.5.5"):
        told = row(name)
        assert (told["status"], told["to_do"]) == ("to answer", [audit.FOR_FACTORS])
        assert told["evidence"] == [audit.NO_FACTORS]
    assert row("6.3.3")["status"] == "not met"


def test_the_factors_of_another_package_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "FACTORS", ("session_auth",))

    told = row("6.3.3")

    assert told["status"] == "to answer"
    assert "Session_auth is installed." not in told["evidence"]
    assert "session_auth is installed." in told["evidence"]


def test_a_log_that_tells_of_no_login_is_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("session_auth.security")
    told = row("16.3.1")
    monkeypatch.setattr(logger, "level", logging.WARNING)
    logger.manager._clear_cache()  # type: ignore[attr-defined] # of who logs what
    quiet = row("16.3.1")
    logger.manager._clear_cache()  # type: ignore[attr-defined] # likewise

    assert told["status"] == "met"
    assert (quiet["status"], "INFO" in quiet["to_do"][0]) == ("not met", True)


def test_debugging_is_not_met() -> None:
    assert row("13.4.2", **DEPLOYED)["status"] == "met"
    assert row("13.4.2", **DEPLOYED | {"DEBUG": True})["status"] == "not met"


@pytest.mark.parametrize(
    ("name", "settings", "seen"),
    [
        ("admin", {}, "The admin is installed."),
        ("backends", {}, "Users log in by session_auth.backends.ModelBackend."),
        (
            "cookies",
            {"CSRF_USE_SESSIONS": True, "SESSION_EXPIRE_AT_BROWSER_CLOSE": True},
            (
                "sessionid is not Secure, HttpOnly, SameSite=Lax. Unless a login asks otherwise, "
                "the session's ends with the browser."
            ),
        ),
        (
            "cookies",
            {**PRODUCTION, "SESSION_COOKIE_DOMAIN": "a.example", "CSRF_USE_SESSIONS": True},
            (
                "__Host-sessionid is Secure, HttpOnly, SameSite=Lax, Domain=a.example. Unless a "
                "login asks otherwise, the session's outlives it."
            ),
        ),
        ("debug", {"DEBUG": True}, "DEBUG is on."),
        ("ended", {}, "No record is kept of a session that has ended."),
        (
            "ended",
            {"SESSION_AUTH_KEEP_ENDED": timedelta(days=90)},
            "Records of ended sessions are kept for 90 days.",
        ),
        ("engine", {}, "SESSION_ENGINE is session_auth.engines.database."),
        (
            "factors",
            {},
            "None of session_auth.factors, allauth.mfa, django_otp is installed.",
        ),
        ("fields", {}, "Of a user, clients see id, username."),
        (
            "fields",
            {"SESSION_AUTH_USER_FIELDS": "a.b"},
            "Of a user, clients see what a.b() returns.",
        ),
        ("hashers", {}, "New passwords are hashed by md5."),
        (
            "limits",
            {"SESSION_AUTH_GUESSES_PER_ACCOUNT": 3},
            "3 wrong passwords a day at an account, and 50 an hour from an address, cost no delay.",
        ),
        ("proxies", {}, "No proxy is trusted: a client's address is that of the peer."),
        (
            "proxies",
            {"SESSION_AUTH_TRUSTED_PROXIES": ["10.0.0.1", "unix"]},
            "X-Forwarded-For is taken from 10.0.0.1, unix.",
        ),
        ("reset", {}, "No links for new passwords are sent."),
        (
            "reset",
            {
                "SESSION_AUTH_PASSWORD_RESET_URL": "https://a.example/{uid}/{token}",
                "PASSWORD_RESET_TIMEOUT": 5400,
            },
            "Links for new passwords work for 90 minutes.",
        ),
        (
            "sessions",
            {"SESSION_AUTH_MAX_SESSIONS": None},
            "A user may have any number of sessions.",
        ),
        (
            "sessions",
            {"SESSION_AUTH_MAX_SESSIONS": 5},
            "A user may have 5 sessions; a login ends the oldest above that.",
        ),
        (
            "timeouts",
            {"SESSION_AUTH_IDLE_TIMEOUT": timedelta(seconds=90)},
            (
                "A session ends after 90 seconds without activity, and after 30 days in all; a "
                "login is recent for 15 minutes."
            ),
        ),
        (
            "timeouts",
            {
                "SESSION_COOKIE_AGE": 3600,
                "SESSION_AUTH_ABSOLUTE_TIMEOUT": timedelta(days=1),
            },
            (
                "A session ends after 1 hour without activity, and after 1 day in all; a login is "
                "recent for 15 minutes."
            ),
        ),
        ("validators", {}, "New passwords are judged by nobody."),
        (
            "validators",
            {
                "AUTH_PASSWORD_VALIDATORS": [
                    {
                        "NAME": f"{VALIDATION}.MinimumLengthValidator",
                        "OPTIONS": {"min_length": 15},
                    },
                    {"NAME": f"{VALIDATION}.CommonPasswordValidator"},
                ]
            },
            "New passwords are judged by MinimumLengthValidator (15), CommonPasswordValidator.",
        ),
    ],
)
def test_a_fact_is_read_from_the_settings(name: str, settings: dict[str, Any], seen: str) -> None:
    with override_settings(**settings):
        assert FACTS[name]().seen == seen


@modify_settings(INSTALLED_APPS={"remove": "django.contrib.admin"})
def test_without_the_admin_there_is_none() -> None:
    assert FACTS["admin"]().seen == "There is no admin."


def test_the_database_says_which_time_limits_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    options = connections.settings["default"]["OPTIONS"]
    monkeypatch.setitem(options, "connect_timeout", 3)
    with_one = FACTS["database"]().seen
    monkeypatch.setitem(connections.settings["default"], "OPTIONS", {})

    assert "connect_timeout" in with_one
    assert FACTS["database"]().seen.endswith("time limits among its OPTIONS: none is set.")


def test_the_slow_hasher_says_how_slow_it_is() -> None:
    with override_settings(**PRODUCTION):
        assert "pbkdf2_sha256, " in FACTS["hashers"]().seen


def test_each_fact_of_the_ledger_is_one_and_the_other_way_round() -> None:
    assert {name for each in LEDGER.rows for name in each.facts} == set(FACTS)
    assert all(isinstance(read(), Fact) for read in FACTS.values())


class Page(HTMLParser):
    """Collects the tags and what could come from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.elsewhere: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.elsewhere += [str(value) for name, value in attrs if name in {"src", "href"}]


def test_the_page_stands_by_itself_and_prints() -> None:
    text = page()
    shown = Page(text)

    assert "script" not in shown.tags
    assert shown.elsewhere == []
    assert "@media print" in text
    assert shown.tags.count("tr") > 100
    for each in report()["requirements"]:
        assert f'<tr id="{each["id"]}">' in text


def test_the_page_shows_what_the_settings_say_as_text() -> None:
    assert "&lt;b&gt;_secret is" in page(SESSION_COOKIE_NAME="<b>_secret")


def test_a_report_of_another_level_is_none() -> None:
    with pytest.raises(CommandError, match="asvs-l3"):
        call_command("session_doctor", "--report", "asvs-l3")


def test_the_report_goes_into_a_pipe_though_something_is_wrong(alice: User) -> None:
    assert report()["summary"]["not met"] > 0
