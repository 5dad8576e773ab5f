"""Which tests of which package run, and how."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import differences

PYTEST = ["-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "-W", "ignore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    name: str
    package: str
    labels: tuple[str, ...]
    quick: tuple[str, ...]
    """The labels that ``make test`` runs."""

    least: int
    least_quick: int
    """As many tests run at least: they must not go missing without notice."""

    differences: Mapping[str, str]
    settings: str = ""
    folder: str = "."

    def command(self, *, ours: bool) -> list[str]:
        with_ours = ["-p", "ours"] if ours else []
        settings = [f"--ds={self.settings}"] if self.settings else []
        return [*PYTEST, *with_ours, *settings]

    def selects(self, test: str, labels: Iterable[str]) -> bool:
        return any(test.startswith((f"{label}/", f"{label}::")) for label in labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class DjangoSuite(Suite):
    folder: str = "tests"

    def command(self, *, ours: bool) -> list[str]:
        with_ours = ["../../../../suites/ours.py"] if ours else []
        return [*with_ours, "runtests.py", "--parallel=1", "--noinput"]

    def selects(self, test: str, labels: Iterable[str]) -> bool:
        return any(test.startswith(f"{label}.") for label in labels)


# Those modules of auth_tests that log in, or look who is.
AUTH = (
    *("auth_backends", "checks", "context_processors", "decorators", "forms", "login"),
    *("middleware", "mixins", "remote_user", "signals", "views"),
)
SESSIONS = (
    *("csrf_tests", "messages_tests", "middleware", "sessions_tests"),
    *("test_client", "test_client_regress"),
)
# Whatever else has a client that logs in, a middleware, a view, or the list of apps.
BESIDE = """
    admin_autodiscover admin_changelist admin_checks admin_custom_urls admin_default_site
    admin_docs admin_filters admin_inlines admin_ordering admin_registration admin_utils
    admin_views admin_widgets asgi async cache check_framework contenttypes_tests
    context_processors decorators deprecation flatpages_tests generic_inline_admin generic_views
    handlers logging_tests middleware_exceptions modeladmin proxy_models redirects_tests
    requests_tests servers signed_cookies_tests sites_tests staticfiles_tests template_tests
    test_utils urlpatterns_reverse view_tests
"""
REST_FRAMEWORK = (
    "tests/authentication",
    *(
        f"tests/test_{name}.py"
        for name in ("authtoken", "middleware", "permissions", "request", "requests_client")
    ),
    *(f"tests/test_{name}.py" for name in ("testing", "throttling")),
    "tests/browsable_api",
)


def allauth(project: str, **kwargs: object) -> Suite:
    return Suite(
        name=f"allauth-{project}",
        package="django-allauth",
        settings=f"tests.projects.{project}.settings",
        labels=("tests",),
        **kwargs,  # type: ignore[arg-type] # the rest of a Suite
    )


ALL = [
    DjangoSuite(
        name="django",
        package="django",
        labels=(*SESSIONS, "auth_tests", *BESIDE.split()),
        quick=(*SESSIONS, *(f"auth_tests.test_{name}" for name in AUTH)),
        least=7000,
        least_quick=1500,
        differences=differences.DJANGO,
    ),
    allauth(
        "regular",
        quick=("tests/apps/account", "tests/apps/mfa", "tests/apps/usersessions"),
        least=2400,
        least_quick=350,
        differences=differences.ALLAUTH | differences.ALLAUTH_ACCOUNT,
    ),
    allauth("headless_only", quick=(), least=500, least_quick=0, differences=differences.ALLAUTH),
    allauth(
        "account_only", quick=(), least=330, least_quick=0, differences=differences.ALLAUTH_ACCOUNT
    ),
    allauth(
        "login_required_mw",
        quick=(),
        least=2400,
        least_quick=0,
        differences=differences.ALLAUTH | differences.ALLAUTH_ACCOUNT,
    ),
    # REST framework's own class for sessions beside our middleware, then ours in its place.
    Suite(
        name="rest_framework-beside",
        package="djangorestframework",
        labels=("tests",),
        quick=REST_FRAMEWORK,
        least=1500,
        least_quick=220,
        differences={},
    ),
    Suite(
        name="rest_framework",
        package="djangorestframework",
        labels=("tests",),
        quick=REST_FRAMEWORK,
        least=1500,
        least_quick=220,
        differences=differences.REST_FRAMEWORK,
    ),
]
SUITES = {suite.name: suite for suite in ALL}
