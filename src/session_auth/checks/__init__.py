"""System checks: what is set up wrongly is said before users find out. One function a rule.

Each id has a heading in docs/doctor.md. E and W are Django's levels; from 101 on, a rule is one of
``check --deploy``.
"""

from session_auth.checks import cookies, deployment, logins, origins, password_rules, setup

ALWAYS = (
    setup.middleware_is_installed,
    setup.session_middleware_comes_first,
    setup.djangos_middleware_is_replaced,
    setup.engine_keeps_the_promises,
    setup.serializer_writes_json,
    setup.settings_have_the_right_types,
    setup.kept_keys_are_not_auth_keys,
    setup.user_fields_can_be_shown,
    setup.activity_is_seen_before_it_counts,
    setup.settings_are_known,
    setup.sliding_expiry_is_left_to_the_engine,
    setup.adoption_comes_to_an_end,
    cookies.session_cookie_is_hidden_from_scripts,
    cookies.host_prefix_is_valid,
    origins.trusted_origins_are_origins,
    origins.browsers_send_a_referrer,
    logins.guesses_in_the_admin_are_counted,
    logins.guesses_elsewhere_are_counted,
    logins.backends_are_the_same_under_async,
    logins.rest_framework_checks_csrf_in_full,
    logins.ninja_checks_csrf_in_full,
    deployment.not_everybody_is_a_proxy,
)
DEPLOY = (
    cookies.cookies_are_secure,
    cookies.cookies_are_same_site,
    cookies.cookies_stay_on_their_host,
    cookies.cookies_have_host_prefix,
    origins.hosts_are_named,
    origins.scripts_can_get_a_csrf_token,
    origins.trusted_origins_are_named,
    origins.trusted_origins_use_https,
    origins.cors_lets_no_stranger_in,
    origins.cors_patterns_end,
    logins.api_tokens_end,
    password_rules.passwords_are_hashed_slowly,
    password_rules.passwords_are_hashed_whole,
    password_rules.passwords_have_a_minimum_length,
    password_rules.common_passwords_are_refused,
    password_rules.reset_links_use_https,
    password_rules.reset_links_are_short_lived,
    deployment.proxies_are_known,
    deployment.https_is_seen_behind_a_proxy,
    deployment.https_is_remembered,
    deployment.middleware_is_async,
    deployment.sessions_outlive_the_process,
    deployment.sqlite_waits_for_writes,
    deployment.pooled_transactions_prepare_nothing,
)
