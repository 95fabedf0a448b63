"""Definitions of agents: YAML, parsed and validated. Files are read by config.library."""

from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError

from domain.agent import TOOLS, Agent
from domain.base import Declared
from domain.errors import ConfigurationError


def _known(tools: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in tools if name not in TOOLS]
    if unknown:
        raise ValueError(f"there is no tool {unknown[0]!r}; there are {', '.join(TOOLS)}")
    return tools


class _File(Declared):
    tier: Literal[1, 2, 3]
    prompt: str = Field(pattern=r"^[a-z0-9-]+\.md$")
    tools: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known)]


def parse_agent(file: str, text: str) -> Agent:
    """One agent, named after its file. Raises ConfigurationError that names file, field and fix."""
    try:
        found = _File.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as e:
        raise ConfigurationError(f"agents/{file}: it is no YAML ({e}); correct it") from e
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"agents/{file}: {where}: {first['msg']}; correct it") from e
    return Agent(name=file.removesuffix(".yaml"), **found.model_dump())
