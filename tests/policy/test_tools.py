"""The tools of a session: those of its tier, less what its agent and the repositories leave out."""

from hypothesis import given
from hypothesis import strategies as st

from config.library import agents
from domain.agent import BUILT_IN_TOOLS, TOOLS, Agent
from domain.inventory import ContainerRules, RepositoryNotes
from policy.tools import grant, of_tier

NAMES = st.sampled_from([*TOOLS, "Bash", "unheard_of"])
LISTS = st.lists(NAMES, max_size=8, unique=True).map(tuple)
TIERS = st.integers(0, 9)
AGENTS = st.builds(Agent, name=st.just("some"), tier=TIERS, prompt=st.just("p.md"), tools=LISTS)
REPOSITORIES = st.lists(
    st.builds(
        RepositoryNotes,
        repository=st.sampled_from(["shop", "office"]),
        path=st.just("/r"),
        container=st.builds(
            ContainerRules, tools=st.none() | LISTS, withheld=st.dictionaries(NAMES, st.text(min_size=3, max_size=9))
        ),
    ),
    max_size=3,
)


@given(TIERS, st.none() | AGENTS, REPOSITORIES)
def test_nobody_ever_gets_more_than_the_tier_has_and_whoever_gets_less_is_told_why(
    tier: int, agent: Agent | None, repositories: list[RepositoryNotes]
) -> None:
    given = grant(tier, agent, repositories)
    has = set(of_tier(tier))
    assert set(given.tools) | set(given.withheld) == has
    assert not set(given.tools) & set(given.withheld)
    assert all(given.withheld.values())
    assert agent is None or set(given.tools) <= set(agent.tools)
    for rules in (r.container for r in repositories):
        assert not set(given.tools) & set(rules.withheld)
        assert rules.tools is None or set(given.tools) & set(BUILT_IN_TOOLS) <= set(rules.tools)


@given(TIERS, st.none() | AGENTS, REPOSITORIES, REPOSITORIES)
def test_one_more_that_has_a_say_never_gives_anything_back(
    tier: int, agent: Agent | None, some: list[RepositoryNotes], more: list[RepositoryNotes]
) -> None:
    few, many = grant(tier, agent, some), grant(tier, agent, [*some, *more])
    assert set(many.tools) <= set(few.tools)
    assert few.withheld.items() <= many.withheld.items()


def test_the_agents_that_come_with_tiercel_have_what_their_tier_has() -> None:
    assert {tier: agent.name for tier, agent in agents().items()} == {1: "observe", 2: "investigate", 3: "remediate"}
    for tier, agent in agents().items():
        assert set(agent.tools) == set(of_tier(tier))
        assert grant(tier, agent).withheld == {}
