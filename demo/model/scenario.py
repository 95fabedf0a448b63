"""What the scripted model answers: a scenario file, and the one step of it that a conversation has reached.

The step is found by replaying the conversation, so the server keeps no state: it may be restarted, and a resumed
session goes on where it was.
"""

import re
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from domain.base import Declared, Value
from domain.errors import ConfigurationError

SERVER_TOOL_PREFIX = "mcp__tiercel__"
REPORT_TOOL = "StructuredOutput"
_SHORT_NAMES = frozenset({"services", "probe", "logs", "act"})
_SLOT = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class Use(Declared):
    """One tool call. `services`, `probe`, `logs` and `act` are short for our server's tools."""

    tool: str = Field(min_length=1)
    input: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The tool's name as the CLI knows it."""
        return SERVER_TOOL_PREFIX + self.tool if self.tool in _SHORT_NAMES else self.tool


class Failure(Declared):
    """A wrong answer. `times`: only the first so many requests of a session at this step get it; 0: all."""

    kind: Literal["status", "stall_before_headers", "stall_after_headers", "garbage", "cut", "error_event"] = "status"
    status: int = Field(default=500, ge=400, le=599)
    error_type: str = "api_error"
    message: str = "scripted failure"
    retry_after: str = ""
    stall_s: float = Field(default=3600.0, ge=0)
    times: int = Field(default=0, ge=0)


class Step(Declared):
    """One answer: words, tool calls, or the report; or a choice by what the last tool said."""

    say: str = ""
    use: tuple[Use, ...] = ()
    report: dict[str, Any] | None = None
    fail: Failure | None = None
    delay_s: float | None = Field(default=None, ge=0)
    choose: tuple["Branch", ...] = ()

    @field_validator("use", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (cast("object", value),) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _something(self) -> "Step":
        answers = bool(self.say or self.use or self.report is not None or self.fail)
        if answers == bool(self.choose):
            raise ValueError("a step either answers (say, use, report, fail) or chooses between branches (choose)")
        return self


class Branch(Declared):
    """Steps for the case that the latest tool result matches `when` (a regular expression; empty: always)."""

    when: str = ""
    steps: tuple[Step, ...] = ()

    @field_validator("when")
    @classmethod
    def _regex(cls, value: str) -> str:
        return _checked(value)


class Rule(Declared):
    """Which conversations follow these steps: the tier of the system prompt, and all of `match` in the prompt."""

    name: str
    tier: int | None = None
    match: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1)

    @field_validator("match", "unless")
    @classmethod
    def _regexes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked(v) for v in value)


class Scenario(Declared):
    """Rules in order; the first that fits a conversation counts. Times in seconds."""

    name: str = ""
    about: str = ""
    delay_s: float = Field(default=0.0, ge=0)  # before each answer, where a step names none
    pace_s: float = Field(default=0.0, ge=0)  # between two words of a streamed answer
    rules: tuple[Rule, ...] = ()


class Turn(Value):
    """What had been said when one answer was due: the latest tool result and whether it was an error."""

    tool_result: str = ""


class Conversation(Value):
    """What the choice of an answer needs. `turns` has one entry per answer so far, and one for the next."""

    tier: int | None
    prompt: str
    turns: tuple[Turn, ...] = Field(min_length=1)


class Chosen(Value):
    """The answer to give. `position` names it within its rule."""

    rule: str
    position: int
    step: Step


def load(path: Path) -> Scenario:
    """Read one scenario, or all of a folder as one (files by name, rules in order). Raises ConfigurationError."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise ConfigurationError(f"{path}: no *.yaml in this folder; name a scenario file")
    scenarios = [_load(file) for file in files]
    first = scenarios[0]
    return first.model_copy(update={"rules": tuple(rule for s in scenarios for rule in s.rules)})


def _load(path: Path) -> Scenario:
    try:
        return Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as e:
        raise ConfigurationError(f"{path}: cannot be read ({e.strerror}); check the path") from e
    except yaml.YAMLError as e:
        raise ConfigurationError(f"{path}: is no YAML ({e}); see the README beside the scenarios") from e
    except ValidationError as e:
        lines = [f"{path}: {'.'.join(str(p) for p in err['loc'])}: {err['msg']}" for err in e.errors()]
        raise ConfigurationError("\n".join(lines)) from e


def choose(scenario: Scenario, conversation: Conversation) -> Chosen | None:
    """The step that a conversation has reached; None where no rule fits or the rule has no more steps."""
    for rule in scenario.rules:
        slots = _fits(rule, conversation)
        if slots is not None:
            return _replay(rule, conversation, slots)
    return None


def _fits(rule: Rule, conversation: Conversation) -> dict[str, str] | None:
    """The captured groups of a rule that fits."""
    if rule.tier is not None and rule.tier != conversation.tier:
        return None
    slots: dict[str, str] = {}
    for pattern in rule.match:
        hit = _search(pattern, conversation.prompt)
        if hit is None:
            return None
        slots |= {k: v for k, v in hit.groupdict().items() if v is not None}
    if any(_search(pattern, conversation.prompt) for pattern in rule.unless):
        return None
    return slots


def _replay(rule: Rule, conversation: Conversation, slots: dict[str, str]) -> Chosen | None:
    waiting = list(rule.steps)
    last = len(conversation.turns) - 1
    for position, turn in enumerate(conversation.turns):
        step = _next(waiting, turn, slots)
        if step is None:
            return None
        if position == last:
            return Chosen(rule=rule.name, position=position, step=_filled(step, slots))
    return None


def _next(waiting: list[Step], turn: Turn, slots: dict[str, str]) -> Step | None:
    """Take the next answering step. Choices are decided here, by this turn's tool result, and take no turn."""
    while waiting:
        step = waiting.pop(0)
        if not step.choose:
            return step
        for branch in step.choose:
            hit = _search(branch.when, turn.tool_result)
            if hit is not None:
                slots |= {k: v for k, v in hit.groupdict().items() if v is not None}
                waiting[:0] = branch.steps
                break
    return None


def _filled(step: Step, slots: dict[str, str]) -> Step:
    """The step with every `{{name}}` replaced by what the group of that name captured."""
    return Step.model_validate(_fill(step.model_dump(exclude={"choose"}), slots))


def _fill(value: Any, slots: dict[str, str]) -> Any:
    if isinstance(value, str):
        return _SLOT.sub(lambda m: slots.get(m.group(1), m.group(0)), value)
    if isinstance(value, dict):
        return {k: _fill(v, slots) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_fill(v, slots) for v in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _search(pattern: str, text: str) -> re.Match[str] | None:
    return re.search(pattern, text, re.IGNORECASE | re.DOTALL | re.MULTILINE)


def _checked(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as e:
        raise ValueError(f"'{pattern}' is no regular expression: {e}") from e
    return pattern
