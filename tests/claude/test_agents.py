"""Definitions of agents: what is wrong in a file is said with the file, the field and the fix."""

import pytest

from claude.agents import parse_agent
from domain.errors import ConfigurationError

GOOD = "tier: 2\nprompt: tier2-investigate.md\ntools: [Read, probe]\n"


def test_an_agent_is_named_after_its_file() -> None:
    agent = parse_agent("quiet.yaml", GOOD)
    assert (agent.name, agent.tier, agent.tools) == ("quiet", 2, ("Read", "probe"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tier: [", "no YAML"),
        ("- a", "correct it"),
        (GOOD.replace("probe", "Bash"), "there is no tool 'Bash'; there are Read,"),
        (GOOD.replace("2\n", "4\n", 1), "tier"),
        (GOOD.replace("[Read, probe]", "[]"), "tools"),
        (GOOD.replace("tier2", "../tier2"), "prompt"),
        (GOOD + "mode: wide\n", "mode"),
    ],
)
def test_a_wrong_file_names_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=r"agents/quiet\.yaml") as caught:
        parse_agent("quiet.yaml", text)
    assert words in str(caught.value)
