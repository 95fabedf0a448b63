"""Checks and playbooks: Markdown with front matter, parsed and validated. Files are read by config.library."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import yaml
from pydantic import Field, ValidationError

from domain.action import ActionKind
from domain.base import Declared, Value
from domain.errors import ConfigurationError

MAX_BYTES = 16_000  # one file; it goes into prompts
_FENCE = "---"


class Check(Declared):
    """What to look at when a probe of these kinds fails. `thresholds` repeats the probes' defaults for readers."""

    name: str
    title: str
    probes: tuple[str, ...] = Field(min_length=1)
    thresholds: dict[str, float] = {}
    body: str = Field(min_length=1)


class Playbook(Declared):
    """How to repair: the lowest tier that may, the action kinds that it uses, and when it fits."""

    name: str
    title: str
    tier: int = Field(ge=1, le=3)
    actions: tuple[ActionKind, ...] = Field(min_length=1)
    when: str
    domains: tuple[str, ...] = ()  # where a session that may use it needs to go
    body: str = Field(min_length=1)


class Library(Value):
    """All checks and playbooks of one place."""

    checks: tuple[Check, ...] = ()
    playbooks: tuple[Playbook, ...] = ()

    def checks_for(self, kinds: frozenset[str], names: frozenset[str] = frozenset()) -> tuple[Check, ...]:
        """The checks of these probe kinds, and those that a probe names."""
        return tuple(c for c in self.checks if kinds & set(c.probes) or c.name in names)

    def playbooks_for(self, tier: int, actions: frozenset[ActionKind]) -> tuple[Playbook, ...]:
        """The playbooks that this tier may use with these actions."""
        return tuple(p for p in self.playbooks if p.tier <= tier and actions & set(p.actions))


def library(checks: Mapping[str, str], playbooks: Mapping[str, str]) -> Library:
    """Parse texts by file name. Raises ConfigurationError for the first that is wrong."""
    return Library(
        checks=tuple(parse_check(name, text) for name, text in sorted(checks.items())),
        playbooks=tuple(parse_playbook(name, text) for name, text in sorted(playbooks.items())),
    )


def parse_check(file: str, text: str) -> Check:
    """One check. Raises ConfigurationError that names file, field and fix."""
    return _parse(Check, file, text)


def parse_playbook(file: str, text: str) -> Playbook:
    """One playbook. Raises ConfigurationError that names file, field and fix."""
    return _parse(Playbook, file, text)


_T = TypeVar("_T", Check, Playbook)


def _parse(model: type[_T], file: str, text: str) -> _T:
    fields, body = front_matter(file, text)
    for own in ("name", "body"):
        if own in fields:
            raise ConfigurationError(f"{file}: {own}: comes from the file itself; remove it from the front matter")
    try:
        return model.model_validate({**fields, "name": file.removesuffix(".md"), "body": body})
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{file}: {where}: {first['msg']}; correct the front matter") from e


def front_matter(file: str, text: str) -> tuple[dict[str, Any], str]:
    """The fields between two lines of `---`, and the text after them."""
    if len(text.encode()) > MAX_BYTES:
        raise ConfigurationError(f"{file}: longer than {MAX_BYTES} bytes; shorten it, it is read by a model every time")
    lines = text.splitlines()
    if not lines or lines[0].strip() != _FENCE or _FENCE not in (line.strip() for line in lines[1:]):
        raise ConfigurationError(f"{file}: has no front matter; begin with a line '---', fields, and a line '---'")
    end = next(i for i, line in enumerate(lines[1:], 1) if line.strip() == _FENCE)
    try:
        fields: object = yaml.safe_load("\n".join(lines[1:end])) or {}
    except yaml.YAMLError as e:
        raise ConfigurationError(f"{file}: the front matter is no YAML ({e}); correct it") from e
    if not isinstance(fields, dict):
        raise ConfigurationError(f"{file}: the front matter must be fields (name: value)")
    return cast("dict[str, Any]", fields), "\n".join(lines[end + 1 :]).strip()
