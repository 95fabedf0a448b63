"""Tiers and sessions: what is asked of one Claude Code process, and what came of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, cast

from pydantic import Field, ValidationError, field_validator

from domain.base import Value
from domain.ids import IncidentId, SessionId
from domain.memory import MAX_STATED, MAX_TEXT, Learned


class Limits(Value):
    """Bounds of one session's processes."""

    memory_mb: int = 1024
    cpus: float = 1.0
    pids: int = 256  # threads count
    disk_mb: int = 2048  # in its own folder, over all its processes


class TierSettings(Value):
    """One tier: its model and bounds."""

    tier: int
    name: str
    model: str
    timeout_s: float
    max_turns: int
    budget_usd: float
    limits: Limits = Limits()


class Isolation(Value):
    """Whether an engine can wall a session in here, and how or why not."""

    engine: str
    isolated: bool
    how: str


class SessionOrder(Value):
    """What a workflow tells the session activity. Small: prompts and transcripts stay out of histories."""

    session: SessionId
    incident: IncidentId
    workflow_id: str
    workflow_run_id: str
    tier: TierSettings
    attempt: int = 1  # counts processes of this session: 1, then one more per resume
    resume: Literal["", "deferred", "interrupted"] = ""
    prompt: str = ""  # a person's own words (Run now), untrusted by nobody but bounded
    dry_run: bool = False


class SessionStatus(StrEnum):
    """How one process ended."""

    COMPLETED = "completed"  # a report that fits the schema
    DEFERRED = "deferred"  # parked on an approval
    REFUSED = "refused"  # could not start: no isolation, no credential, fences that are not as they must be
    LIMIT = "limit"  # turns, budget or time used up
    INVALID = "invalid"  # finished, but without a report that fits the schema
    FAILED = "failed"  # error, crash, killed
    RETRY_LATER = "retry_later"  # 429, 529: wait in the workflow
    AUTH = "auth"  # 401, 403: a person must look at the credential
    STOPPED = "stopped"  # cancelled by us or by a person


# Which bound ended a session: the first three are its tier's to use up (status `limit`), the rest is a failure.
# `bait`: stopped, because what was laid for thieves was seen outside. `fences`: never started, because what holds the
# CLI is not as it must be. `budget`: never begun, because the owner's budget of a day or a month does not allow it, or
# a person paused it (status `refused`).
Bound = Literal[
    "", "time", "turns", "money", "memory", "processes", "disk", "output", "silence", "bait", "fences", "budget"
]


class Deferred(Value):
    """The tool call on which a session is parked."""

    tool_use_id: str
    tool: str
    input: dict[str, Any] = {}


class Usage(Value):
    """Tokens and money of one process, as the CLI tells them (the gateway's own count is kept beside)."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0


class ServiceFinding(Value):
    """What a session says of one service."""

    service: str
    status: Literal["up", "degraded", "down", "unknown"] = "unknown"
    cause: str = ""
    confidence: Literal["low", "medium", "high"] = "low"
    evidence: tuple[str, ...] = ()


class TierReport(Value):
    """The report that every session must give. prompts/tier_report.json is this model's schema."""

    summary: str = Field(max_length=4000)
    services: tuple[ServiceFinding, ...] = ()
    actions_taken: tuple[str, ...] = ()
    escalate: bool = False
    escalate_reason: str = ""
    handoff: str = Field(default="", max_length=8000)
    memories: tuple[Learned, ...] = ()

    @field_validator("memories", mode="before")
    @classmethod
    def _usable(cls, stated: object) -> object:
        """Memories are by the way: one that does not fit is left out, and the report stays good."""
        if not isinstance(stated, list | tuple):
            return ()
        found = (_learned(one) for one in cast("list[object]", stated)[:50])
        return tuple(one for one in found if one is not None)[:MAX_STATED]


def _learned(stated: object) -> Learned | None:
    if isinstance(stated, Learned):
        return stated
    if not isinstance(stated, dict):
        return None
    fields = cast("dict[str, object]", stated)
    text = fields.get("text")
    try:
        return Learned.model_validate({**fields, "text": text[:MAX_TEXT] if isinstance(text, str) else text})
    except ValidationError:
        return None


class SessionOutcome(Value):
    """What came of one process of a session."""

    session: SessionId
    attempt: int
    status: SessionStatus
    message: str = ""
    bound: Bound = ""
    report: TierReport | None = None
    deferred: Deferred | None = None
    usage: Usage = Usage()
    retry_after_s: float | None = None
    lines: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None


class OutputLine(Value):
    """One line of a session's output, numbered without gaps from 1 within (session, attempt)."""

    seq: int
    at: datetime
    stream: Literal["out", "err", "note"] = "out"
    text: str


class ModelCall(Value):
    """One model request as the gateway counted it on the wire. `latency_ms` lasts until the last byte."""

    id: str
    session: SessionId
    incident: IncidentId
    at: datetime
    model: str
    status: int
    tier: int = 0  # 0: not known
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    latency_ms: float = 0.0
    scripted: bool = False
