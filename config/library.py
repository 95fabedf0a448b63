"""Reads the prompts, checks and playbooks that come with Tiercel."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from claude.agents import parse_agent
from claude.library import Library, library
from domain.agent import Agent
from policy.egress import parse_domains


@cache
def agents() -> dict[int, Agent]:
    """The agents that come with Tiercel, by their tier (1 to 3). Raises ConfigurationError where one is broken."""
    texts = {f.name: f.read_text(encoding="utf-8") for f in files("agents").iterdir() if f.name.endswith(".yaml")}
    return {agent.tier: agent for agent in (parse_agent(name, text) for name, text in sorted(texts.items()))}


@cache
def tier_prompt(tier: int) -> str:
    """The instructions of a tier (1 to 3)."""
    return files("prompts").joinpath(agents()[tier].prompt).read_text(encoding="utf-8")


def report_schema() -> dict[str, Any]:
    """The JSON Schema of the tier report, for `--json-schema`."""
    return json.loads(files("prompts").joinpath("tier_report.json").read_text(encoding="utf-8"))


@cache
def built_in() -> Library:
    """Our own checks and playbooks. Raises ConfigurationError where one is broken."""
    found = library(_markdown("checks"), _markdown("playbooks"))
    for playbook in found.playbooks:
        parse_domains(playbook.domains)
    return found


def _markdown(package: str) -> dict[str, str]:
    return {f.name: f.read_text(encoding="utf-8") for f in files(package).iterdir() if f.name.endswith(".md")}
