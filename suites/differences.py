"""The tests that differ on purpose, by name, and why."""

from collections.abc import Iterable


def _in(classes: Iterable[str], *tests: str, because: str) -> dict[str, str]:
    return {f"{each}.{test}": because for each in classes for test in tests}


def _at(path: str, *tests: str, because: str) -> dict[str, str]:
    return {f"tests/{path}::{test}": because for test in tests}


ONE_QUERY = "It counts queries: the session and its user are one here, two with Django."
DIGESTS = "It looks the row up by its key: a row has the digest of the key alone."
STORED_BY_DIGEST = _in(
    ["sessions_tests.tests.DatabaseSessionTests"],
    *("test_session_get_decoded", "test_session_str", "test_sessionmanager_save"),
    because=DIGESTS,
)
TOKEN_OF_THE_SESSION = (
    "Its first request is refused, but logs in; by the second one the session has a token of its "
    "own, and the test sends one that it has made itself. A token from before is good for the "
    "request that logs in: tests/test_logins_on_the_way.py."
)
KEY_OF_A_UUID = (
    "It changes AUTH_USER_MODEL when the tables are there: our column for users has the type of "
    "the first model's key."
)

DJANGO = {
    **STORED_BY_DIGEST,
    **{
        test.replace("SessionTests", "SessionWithTimeZoneTests"): why
        for test, why in STORED_BY_DIGEST.items()
    },
    "sessions_tests.tests.SessionMiddlewareTests.test_empty_session_saved": DIGESTS,
    "test_client_regress.tests.SessionTests.test_session": (
        "What a visitor's session holds ends at the login, unless SESSION_AUTH_KEEP_AT_LOGIN "
        "names it."
    ),
    "auth_tests.test_views.LoginTest.test_session_key_flushed_on_login_after_password_change": (
        "It wants the old key after a second login of the same user: each login has a new one."
    ),
    **_in(
        [
            f"auth_tests.test_auth_backends.{name}ModelBackendTest"
            for name in ("", "CustomPermissionsUser", "ExtensionUser")
        ],
        "test_aauthentication_timing_async_bridge",
        because="It counts threads: ours asks once, for the guess and the password together.",
    ),
    "auth_tests.test_auth_backends.SelectingBackendTests.test_non_string_backend": (
        "It wants the name of Django's class in a message: the class is ours."
    ),
    **_in(
        ["auth_tests.test_auth_backends.UUIDUserTests"],
        *("test_alogin", "test_login"),
        because=KEY_OF_A_UUID,
    ),
    "auth_tests.test_views.UUIDUserTests.test_admin_password_change": KEY_OF_A_UUID,
    (
        "auth_tests.test_views.CustomUserCompositePrimaryKeyPasswordResetTest"
        ".test_confirm_valid_custom_user"
    ): "A user model with a composite key is refused by a check, session_auth.E014.",
    **_in(
        [
            f"auth_tests.test_remote_user.{name}"
            for name in (
                "AllowAllUsersRemoteUserBackendTest",
                "PersistentRemoteUserTest",
                "RemoteUserCustomTest",
                "RemoteUserTest",
            )
        ],
        "test_csrf_validation_passes_after_process_request_login",
        "test_csrf_validation_passes_after_process_request_login_async",
        because=TOKEN_OF_THE_SESSION,
    ),
    **_in(
        [
            f"auth_tests.test_remote_user.{name}"
            for name in (
                "ASGISyncPathRemoteUserTest",
                "CustomHeaderASGISyncPathRemoteUserTest",
                "CustomHeaderRemoteUserTest",
            )
        ],
        "test_csrf_validation_passes_after_process_request_login_async",
        because=TOKEN_OF_THE_SESSION,
    ),
    (
        "auth_tests.test_middleware.TestLoginRequiredMiddleware"
        ".test_protected_view_logged_in_performance"
    ): ONE_QUERY,
    (
        "admin_changelist.tests.ChangeListTests"
        ".test_changelist_view_list_editable_changed_objects_uses_filter"
    ): ONE_QUERY,
    "admin_views.tests.AdminCustomQuerysetTest.test_changelist_view_count_queries": ONE_QUERY,
    **_in(
        ["admin_views.tests.AdminSearchTest"],
        *("test_no_total_count", "test_reset_link"),
        because=ONE_QUERY,
    ),
    "admin_views.tests.GroupAdminTest.test_group_permission_performance": ONE_QUERY,
    "admin_views.tests.UserAdminTest.test_user_permission_performance": ONE_QUERY,
}

NEW_PASSWORD = (
    "It changes a password from outside the session, and goes on with the session: here that ends "
    "all sessions of the user at once, where Django leaves them until their next use."
)
ALLAUTH = {
    **_at(
        "apps/headless/contrib/ninja/test_security.py",
        "test_anonymous_authentication_allows_stale_session_auth_hash[app]",
        "test_authenticate_survives_session_auth_hash_update[app]",
        because=NEW_PASSWORD,
    ),
    **_at(
        "apps/headless/contrib/rest_framework/test_authentication.py",
        "test_authenticate_rejects_anonymous_user_when_not_allowed[app]",
        "test_authenticate_survives_session_auth_hash_update[app]",
        because=NEW_PASSWORD,
    ),
    **_at(
        "apps/headless/tokens/test_jwttokenstrategy.py",
        "test_stateful_access_token_survives_session_auth_hash_update[app]",
        because=NEW_PASSWORD,
    ),
}

COUNTS_MAILS = "It counts mails: the owner gets our notice of a new password beside allauth's own."
ALLAUTH |= _at(
    "apps/headless/account/test_change_password.py",
    *(
        f"test_change_password[{client}-{case}-200]"
        for client in ("app", "browser")
        for case in (
            "False-request_data6-response_data6",
            "False-request_data7-response_data7",
            "True-request_data1-response_data1",
        )
    ),
    because=COUNTS_MAILS,
)
ALLAUTH_ACCOUNT = _at(
    "apps/account/test_change_password.py",
    *(
        f"test_change_password[{case}]"
        for case in (
            *("False--redirect_chain0", "False-/foo-redirect_chain1"),
            *("True--redirect_chain2", "True-/foo-redirect_chain3"),
        )
    ),
    because=COUNTS_MAILS,
)

NOT_LOGGED_IN = "Whoever is not logged in gets 401, as HTTP has it, and not 403."
ANONYMOUS = "It posts without a token: a caller who is not logged in is checked, too."
OWN_REFUSAL = "It wants REST framework's answer to a missing token: ours is 403 csrf_failed."
REST_FRAMEWORK = {
    **_at(
        "authentication/test_authentication.py::SessionAuthTests",
        "test_post_form_session_auth_passing_csrf",
        because="It sends a token that it has made itself: ours is bound to the session.",
    ),
    **_at(
        "browsable_api/test_browsable_api.py::AnonymousUserTests",
        "test_get_returns_http_forbidden_when_anonymous_user",
        because=NOT_LOGGED_IN,
    ),
    **_at(
        "test_decorators.py::DecoratorTestCase", "test_permission_classes", because=NOT_LOGGED_IN
    ),
    **_at(
        "test_request.py::TestContentParsingWithAuthentication",
        "test_user_logged_in_authentication_has_POST_when_not_logged_in",
        because=ANONYMOUS,
    ),
    **_at(
        "test_requests_client.py::RequestsClientTests",
        *("test_post_form_request", "test_post_json_request", "test_post_multipart_request"),
        "test_session",
        because=ANONYMOUS,
    ),
    **_at(
        "test_testing.py",
        *(
            f"{case}::test_explicitly_enforce_csrf_checks"
            for case in ("TestAPIRequestFactory", "TestAPITestClient")
        ),
        because=OWN_REFUSAL,
    ),
}
