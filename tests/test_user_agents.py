import pytest

from session_auth import user_agents
from session_auth.user_agents import known_name, user_agent_name

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Windows"),
        (SAFARI, "Mobile Safari on iOS"),
        ("curl/8.5", "curl"),
        ("", ""),
        ("((( <b>", "((( <b>"),
    ],
)
def test_a_device_has_a_name_that_a_person_knows(user_agent: str, name: str) -> None:
    assert user_agent_name(user_agent) == name


def test_without_the_extra_it_is_the_user_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_agents, "parse", None)

    assert user_agent_name(FIREFOX) == FIREFOX


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Windows"),
        (SAFARI, "Mobile Safari on iOS"),
        ("curl/8.5", ""),
        ("Confirm at evil-example bot/1.0", ""),
        (f"{FIREFOX} confirm at evil.example", "Firefox on Windows"),
        ("", ""),
    ],
)
def test_what_is_quoted_to_others_is_made_of_words_of_ours(user_agent: str, name: str) -> None:
    assert known_name(user_agent) == name


def test_without_the_extra_there_is_nothing_to_quote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_agents, "parse", None)

    assert known_name(FIREFOX) == ""


def test_the_library_makes_names_of_what_strangers_write() -> None:
    """Or ``known_name()`` could be a simpler one."""
    assert user_agent_name("Confirm at evil-example bot/1.0") == "Confirm at evil-example bot"
