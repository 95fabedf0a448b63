"""Which sessions need a wall, and which may look with what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.agent import BUILT_IN_TOOLS, DOCKER_DOOR, Granted
from domain.inventory import Inventory
from domain.looking import LOOKING_NAMES, LOOKING_TOOLS, Need
from domain.session import Isolation
from policy.access import looking_for, may_act, may_look, may_read, may_read_docker, refusal_to_start
from tests.project.tree import ROOT

WALLED = Isolation(engine="process", isolated=True, how="bubblewrap")
BARE = Isolation(engine="process", isolated=False, how="no user namespaces here")


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_behind_a_wall_every_tier_may_start(tier: int) -> None:
    assert refusal_to_start(tier, WALLED, scripted=False) == ""


@pytest.mark.parametrize("tier", [2, 3])
def test_without_a_wall_a_real_model_that_could_act_may_not_start(tier: int) -> None:
    reason = refusal_to_start(tier, BARE, scripted=False)
    assert reason.startswith(f"tier {tier} with a real model needs an isolated session")
    assert "no user namespaces here" in reason
    assert "Install bubblewrap" in reason


@pytest.mark.parametrize(("tier", "scripted"), [(1, False), (1, True), (2, True), (3, True)])
def test_what_cannot_act_or_cannot_be_talked_into_it_may_start_without_a_wall(tier: int, scripted: bool) -> None:
    assert refusal_to_start(tier, BARE, scripted=scripted) == ""


NEEDS = st.frozensets(st.sampled_from(list(Need)))
NAMES = st.one_of(
    st.sampled_from([*LOOKING_NAMES, DOCKER_DOOR, "act", "Bash", "", "SERVICES", "services "]), st.text(max_size=20)
)
LISTS = st.none() | st.builds(
    Granted,
    tools=st.lists(NAMES, max_size=6).map(tuple),
    withheld=st.dictionaries(NAMES, st.text(max_size=9), max_size=3),
)
TIERS = st.integers(min_value=0, max_value=9)


@given(NAMES, TIERS, NEEDS, LISTS)
def test_what_is_not_in_the_table_is_never_allowed_and_every_answer_has_a_reason(
    name: str, tier: int, present: frozenset[Need], agent: Granted | None
) -> None:
    found = may_look(name, tier, present, agent)
    assert found.reason
    assert not found.allowed or name in LOOKING_NAMES


@given(st.sampled_from(LOOKING_NAMES), TIERS, NEEDS, LISTS)
def test_a_list_of_an_agent_only_takes_away(
    name: str, tier: int, present: frozenset[Need], agent: Granted | None
) -> None:
    if may_look(name, tier, present, agent).allowed:
        assert may_look(name, tier, present, None).allowed
        assert agent is None or name in agent.tools


@given(st.sampled_from(LOOKING_NAMES), TIERS, TIERS, NEEDS, NEEDS, LISTS)
def test_a_higher_tier_and_a_richer_machine_never_see_less(
    name: str, tier: int, more: int, present: frozenset[Need], also: frozenset[Need], agent: Granted | None
) -> None:
    if may_look(name, tier, present, agent).allowed:
        assert may_look(name, tier + more, present | also, agent).allowed


@given(TIERS, NEEDS, LISTS)
def test_what_is_offered_is_what_is_allowed(tier: int, present: frozenset[Need], agent: Granted | None) -> None:
    offered = {t.name for t in looking_for(tier, present, agent)}
    assert offered == {n for n in LOOKING_NAMES if may_look(n, tier, present, agent).allowed}
    assert {t.name for t in looking_for(tier, present, agent, Inventory())} <= offered


@given(NEEDS, LISTS)
def test_the_docker_api_needs_an_engine_and_a_place_in_the_agents_list(
    present: frozenset[Need], agent: Granted | None
) -> None:
    found = may_read_docker(present, agent)
    assert found.reason
    assert found.allowed == (Need.DOCKER in present and (agent is None or DOCKER_DOOR in agent.tools))


@pytest.mark.parametrize("reason", ["", " "])
def test_a_reason_without_words_withholds_no_less(reason: str) -> None:
    granted = Granted(tools=(), withheld=dict.fromkeys((DOCKER_DOOR, "act", "Read", "services"), reason))
    everything = frozenset(Need)
    assert not may_read_docker(everything, granted).allowed
    assert not may_act(3, granted).allowed
    assert not may_read("Read", granted).allowed
    assert not may_look("services", 3, everything, granted).allowed


@given(TIERS, NAMES, LISTS)
def test_acting_and_reading_are_taken_away_as_looking_is(tier: int, name: str, agent: Granted | None) -> None:
    acts, reads = may_act(tier, agent), may_read(name, agent)
    assert acts.reason
    assert reads.reason
    assert acts.allowed == (tier >= 2 and (agent is None or "act" in agent.tools))
    assert reads.allowed == (name in BUILT_IN_TOOLS and (agent is None or name in agent.tools))


def test_the_owners_data_and_the_whole_machine_are_not_for_a_first_look() -> None:
    everything = frozenset(Need)
    hidden = {n for n in LOOKING_NAMES if not may_look(n, 1, everything).allowed}
    assert hidden == {"processes", "sql_read"}


def test_every_tool_of_the_table_is_described_bounded_and_on_the_page() -> None:
    page = (ROOT / "docs" / "looking.md").read_text()
    for tool in LOOKING_TOOLS:
        assert tool.does
        assert 0 < tool.timeout_s <= 120
        assert 0 < tool.max_bytes <= 16_000
        assert f"| `{tool.name}` | {tool.lowest_tier} |" in page
