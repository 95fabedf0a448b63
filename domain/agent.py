"""Agents: named, reusable definitions of sessions. Today there is one for each tier."""

from domain.base import Value
from domain.looking import LOOKING_TOOLS

BUILT_IN_TOOLS = ("Read", "Grep", "Glob")  # the CLI's own
DOCKER_DOOR = "docker"  # the read-only Docker API of a session's door
ACT = "act"
LOWEST_ACTING_TIER = 2

# Every tool that a session may ever have, by the name that an agent's list and a repository's file give it.
TOOLS = (*BUILT_IN_TOOLS, *(tool.name for tool in LOOKING_TOOLS), DOCKER_DOOR, ACT)


class Agent(Value):
    """`tools`: what it may use of what its tier has; it never gets more."""

    name: str
    tier: int
    prompt: str  # a file of prompts/
    tools: tuple[str, ...]


class Granted(Value):
    """The tools of one session, and why it has not the others of its tier."""

    agent: str = ""
    tools: tuple[str, ...]
    withheld: dict[str, str] = {}  # tool: reason
