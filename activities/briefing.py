"""What a session is told, gathered from the record and the inventory."""

from pathlib import Path
from typing import Any

from claude.argv import SessionPlan
from domain.base import Value
from domain.ports import HealthRecords, SessionFolder, SessionRecords
from domain.session import SessionOrder


class Briefed(Value):
    """The plan of one process, and the repositories that it may read."""

    plan: SessionPlan
    read_only: tuple[Path, ...] = ()


class Briefing:
    """Composes prompts. The texts come from the library that the worker loaded."""

    def __init__(self, records: SessionRecords, health: HealthRecords, schema: dict[str, Any]) -> None:
        self._records = records
        self._health = health
        self._schema = schema

    async def plan(self, order: SessionOrder, folder: SessionFolder, credential_kind: str, traceparent: str, *, otel: bool) -> Briefed:
        """Everything that one process of a session needs to know."""
        raise NotImplementedError
