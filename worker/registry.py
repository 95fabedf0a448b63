"""Everything that a worker registers: all workflows, and the activities of a set of ports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from activities.actions import ActionActivities
from activities.budget import BudgetRecordActivities
from activities.examine import ExaminationActivities
from activities.ledger import LedgerRecordActivities, PermitActivities
from activities.notify import NoticeActivities
from activities.patrol import PatrolActivities
from activities.probes import ProbeActivities
from activities.records import RecordActivities
from activities.sessions import SessionActivities
from activities.upkeep import UpkeepActivities
from workflows.bait import BaitWorkflow
from workflows.budget import BudgetWorkflow
from workflows.escalation import EscalationWorkflow
from workflows.examination import ExaminationWorkflow
from workflows.ledger import LedgerWorkflow
from workflows.notices import NoticeWorkflow
from workflows.patrol import PatrolWorkflow
from workflows.upkeep import UpkeepWorkflow

WORKFLOWS: Sequence[type] = (
    PatrolWorkflow,
    EscalationWorkflow,
    BaitWorkflow,
    LedgerWorkflow,
    BudgetWorkflow,
    NoticeWorkflow,
    UpkeepWorkflow,
    ExaminationWorkflow,
)

# Inner folders are shared between workflow instances instead of re-imported for each: 0.1 ms instead of 50 for every
# workflow that begins. Their own ruff.toml and an import contract ban clocks, randomness and I/O, which the sandbox
# then no longer sees; nothing on their module level changes.
PASSTHROUGH = ("domain", "policy", "claude", "activities", "workflows")


@dataclass(frozen=True)
class Activities:
    """All activity objects of one worker, by the task queue that serves them."""

    patrol: PatrolActivities
    probes: ProbeActivities
    records: RecordActivities
    ledger_records: LedgerRecordActivities
    permits: PermitActivities
    budget_records: BudgetRecordActivities
    actions: ActionActivities
    notices: NoticeActivities
    sessions: SessionActivities
    upkeep: UpkeepActivities
    examinations: ExaminationActivities

    def control(self) -> list[Callable[..., Any]]:
        """Light activities, and effects."""
        return [
            self.records.open_incident,
            self.records.record,
            self.ledger_records.ledger_history,
            self.ledger_records.write_permit,
            self.ledger_records.write_note,
            self.permits.acquire_permit,
            self.permits.settle_permit,
            self.budget_records.budget_history,
            self.budget_records.spending,
            self.budget_records.write_reservations,
            self.budget_records.write_budget_note,
            self.actions.weigh,
            self.actions.perform,
            self.actions.reconcile,
            self.notices.channels,
            self.notices.send,
            self.patrol.raise_alerts,
            self.patrol.tell_recovered,
            self.patrol.finish_patrol,
            self.upkeep.prune,
            self.upkeep.sweep_orphans,
            self.upkeep.find_interrupted,
            self.upkeep.write_digest,
            self.examinations.examine,
        ]

    def probing(self) -> list[Callable[..., Any]]:
        """Looking."""
        return [self.patrol.survey, self.patrol.sweep, self.probes.probe_now, self.probes.verify]

    def running(self) -> list[Callable[..., Any]]:
        """Sessions, one slot each."""
        return [self.sessions.run_session]
