"""Which tools a session gets: those of its tier, less what its agent and the repositories leave out. Never more."""

from collections.abc import Sequence

from domain.agent import ACT, BUILT_IN_TOOLS, DOCKER_DOOR, LOWEST_ACTING_TIER, TOOLS, Agent, Granted
from domain.inventory import RepositoryNotes
from domain.looking import LOOKING_TOOLS


def of_tier(tier: int) -> tuple[str, ...]:
    """Everything that a tier has, in the table's order."""
    looking = {tool.name for tool in LOOKING_TOOLS if tool.lowest_tier <= tier}
    acting = {ACT} if tier >= LOWEST_ACTING_TIER else set[str]()
    given = {*BUILT_IN_TOOLS, *looking, DOCKER_DOOR, *acting}
    return tuple(name for name in TOOLS if name in given)


def grant(tier: int, agent: Agent | None = None, repositories: Sequence[RepositoryNotes] = ()) -> Granted:
    """The tools of one session. `repositories`: those of its services. The first reason against a tool is told."""
    withheld: dict[str, str] = {}
    for name in of_tier(tier):
        reason = _against(name, agent, repositories)
        if reason:
            withheld[name] = reason
    tools = tuple(name for name in of_tier(tier) if name not in withheld)
    return Granted(agent=agent.name if agent else "", tools=tools, withheld=withheld)


def _against(name: str, agent: Agent | None, repositories: Sequence[RepositoryNotes]) -> str:
    if agent is not None and name not in agent.tools:
        return f"it is not in the list of tools of the agent '{agent.name}'"
    for repository in repositories:
        rules = repository.container
        if name in rules.withheld:
            return f"the repository '{repository.repository}' withholds it: {rules.withheld[name]}"
        if name in BUILT_IN_TOOLS and rules.tools is not None and name not in rules.tools:
            return f"the repository '{repository.repository}' leaves it out of tools.allowed"
    return ""
