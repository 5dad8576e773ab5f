"""The tests that do not run with the engine for Redis, each with its reason."""

OF_THE_TABLE = "It is about the table of sessions, or the statements that ask it."
OF_FAULTS_OF_SQL = "It makes the table of sessions fail, of which this engine asks nothing."
OF_THE_DOCTOR = "The doctor looks at the server, too, and those of the tests keep nothing."

DIFFERENCES = {
    "faults/test_matrix.py": OF_FAULTS_OF_SQL,
    "faults/test_middleware.py::test_what_django_calls_at_night_raises": OF_FAULTS_OF_SQL,
    "test_admin.py::test_a_list_is_sorted_by_an_index_alone": OF_THE_TABLE,
    "test_adoption.py::test_a_logout_whose_view_fails_ends_the_old_row_too": (
        "The note of a takeover is rolled back with the view, and the row in Redis is not: the "
        "session ends, but its row in the table of Django's engine stays."
    ),
    "test_attacks.py::test_a_stolen_database_opens_no_session": OF_THE_TABLE,
    "test_checks_deployment.py::test_a_pooler_that_cannot_carry_the_bus_is_found": (
        "Redis carries the bus, past any pooler of the database."
    ),
    "test_cost.py": "tests/redis/test_cost.py counts for this engine.",
    "test_doctor_audit.py::test_a_fact_is_read_from_the_settings": OF_THE_TABLE,
    "test_doctor_command.py::test_rows_that_nobody_prunes_are_counted": OF_THE_TABLE,
    "test_doctor_command.py::test_a_sound_project_is_told_so": OF_THE_DOCTOR,
    "test_doctor_command.py::test_the_exit_status_says_whether_there_is_something_to_do": (
        OF_THE_DOCTOR
    ),
    "test_doctor_docs.py::test_every_finding_is_in_a_table_and_the_other_way_round": OF_THE_DOCTOR,
    "test_engine.py::test_the_store_never_holds_a_key": OF_THE_TABLE,
    "test_engine.py::test_clearsessions_deletes_what_has_expired": (
        "The row of a visitor vanishes by itself."
    ),
    "test_engine_saves.py::test_a_save_costs_one_statement": "It costs none.",
    "test_flows.py::test_a_first_login_costs_five_statements": "It costs one less.",
    "test_flows.py::test_another_backend_looks_the_user_up_again": "It costs one less.",
    "test_flows.py::test_the_session_of_a_visitor_costs_two_more": "It costs one more.",
    "test_indexes.py": OF_THE_TABLE,
    "test_journeys.py": "Another engine has other files.",
    "test_lookup.py": OF_THE_TABLE,
    "test_other_engines.py": "It is about a project that leaves the engine of the table.",
    "test_other_logins.py::test_a_visitor_who_brings_nothing_pays_nothing_for_it": (
        "It costs one statement less."
    ),
    "test_passive.py::"
    "test_a_passive_request_from_elsewhere_is_seen_and_makes_nothing_last_longer": (
        "It costs one statement less."
    ),
    "test_races.py::test_of_many_requests_at_once_one_writes_that_the_session_was_seen": (
        "It counts statements; tests/redis/test_rows.py counts what is written."
    ),
    "test_session_adopt.py::test_a_backend_that_sessions_name_must_stay": OF_THE_TABLE,
    "test_sessions.py::test_an_id_in_other_case_is_another_id": OF_THE_TABLE,
    "test_sessions.py::test_a_user_ends_all_sessions_but_the_current_one": (
        "It counts statements, and this one has savepoints."
    ),
    "test_sessions.py::test_listing_costs_one_statement_more_than_any_call": (
        "It costs one more: for stamps and for tombstones."
    ),
    "test_stores.py::test_whoever_is_in_the_way_for_a_moment_is_waited_for": OF_FAULTS_OF_SQL,
    "test_watching.py::test_however_many_end_at_once_a_look_takes_few_statements": OF_THE_TABLE,
    "test_timeouts.py::test_activity_is_written_once_a_minute_with_one_statement_and_no_cookie": (
        "It costs one statement less."
    ),
    **{
        f"upstream/test_django_sessions.py::{case}::{test}": OF_THE_TABLE
        for case in ("DatabaseSessionTests", "DatabaseSessionWithoutTimeZoneTests")
        for test in ("test_aclear_expired", "test_clearsessions_command")
    },
}


def is_different(node_id: str) -> bool:
    """Say whether the test with this id, such as ``tests/test_a.py::test_b[c]``, is listed."""
    name = node_id.removeprefix("tests/").partition("[")[0]
    return name in DIFFERENCES or name.partition("::")[0] in DIFFERENCES
