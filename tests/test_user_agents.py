import pytest

from session_auth import user_agents
from session_auth.user_agents import user_agent_name

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
