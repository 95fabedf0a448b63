"""What the inside needs from the outside. Adapters implement these; activities receive them in `__init__`.

A port raises `domain.errors` only. Expected outcomes are return values.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from domain.action import Action, ActionKind, ActionRequest, EffectResult, TargetState
from domain.agent import Granted
from domain.base import Value
from domain.budget import BudgetAnswer, BudgetNote, BudgetRequest, Reservation
from domain.examination import Examination, ExaminationOrder
from domain.health import ProbeResult, ServiceHealth
from domain.ids import ActionId, ApprovalId, IncidentId, ServiceId, SessionId
from domain.incident import Alert, Approval, IncidentState, Timeline
from domain.inventory import Inventory, Service
from domain.ledger import Permit, PermitAnswer, PermitOutcome, PermitRequest
from domain.links import LinkPurpose, Reader
from domain.memory import Learned, Memory
from domain.notice import Delivery, DigestCounts, Notice
from domain.session import Isolation, Limits, ModelCall, OutputLine, SessionOrder, SessionOutcome


class Clock(Protocol):
    """Now, in UTC with a zone."""

    def now(self) -> datetime: ...


# ---------------------------------------------------------------- looking


class InventorySource(Protocol):
    """Reads the mounted repositories. Never raises for a broken one: that becomes a problem in the inventory."""

    async def read(self) -> Inventory: ...


class Prober(Protocol):
    """Runs probes. Every probe ends within its time limit with a result; none raises."""

    async def probe(self, service: Service) -> tuple[ProbeResult, ...]: ...

    async def probe_all(self, services: Sequence[Service]) -> tuple[ProbeResult, ...]: ...


# ---------------------------------------------------------------- acting


class Effects(Protocol):
    """Performs actions on one kind of target (containers, supervised processes). The only way to act."""

    def supports(self, service: Service, kind: ActionKind) -> bool: ...

    async def state(self, service: Service) -> TargetState:
        """The target as it is now. Raises TransientError where its node cannot be asked."""
        ...

    async def rehearse(self, service: Service, kind: ActionKind) -> str:
        """Test an action without effect (a configuration test, say). "" or the reason why it would fail."""
        ...

    async def perform(self, service: Service, action: Action) -> EffectResult:
        """One attempt. Raises UnknownOutcomeError where it was begun and its end is not known."""
        ...

    async def reconcile(self, service: Service, action: Action) -> EffectResult:
        """Look whether a begun action took effect, by comparing with `action.before`. Never acts."""
        ...


class Logs(Protocol):
    """The newest lines that a target wrote, read-only, bounded and redacted."""

    async def tail(self, service: Service, lines: int = 100) -> str:
        """At most 64 kB. Raises TransientError where its node cannot be asked."""
        ...


class Ledger(Protocol):
    """The permits of all services, wherever the entity lives."""

    async def acquire(self, request: PermitRequest) -> PermitAnswer: ...

    async def confirm(self, service: ServiceId, outcome: PermitOutcome) -> None: ...

    async def release(self, service: ServiceId, outcome: PermitOutcome) -> None: ...


class Budget(Protocol):
    """The owner's money over all sessions, wherever the entity lives."""

    async def reserve(self, request: BudgetRequest) -> BudgetAnswer: ...

    async def settle(self, reservation: str) -> None:
        """Its process has ended. Harmless to repeat."""
        ...


class Escalations(Protocol):
    """Opens or joins incidents in the workflow engine."""

    async def alert(self, alert: Alert) -> bool:
        """Start an escalation for the cause, or join the open one. True where a new one was opened."""
        ...

    async def observed(self, service: ServiceId, healthy: bool) -> None:
        """Tell an open escalation what a patrol saw. No open escalation: nothing happens."""
        ...


# ---------------------------------------------------------------- sessions


class SessionFolder(Value):
    """Where one session lives on disk. All paths are absolute."""

    root: Path  # 0700; holds everything below

    @property
    def door(self) -> Path:
        """Directory with the gateway's socket, the session's only way out (mounted read-only inside)."""
        return self.root / "door"

    @property
    def socket(self) -> Path:
        """The gateway's Unix socket: model API, MCP and gate hook, told apart by URL path."""
        return self.door / "gateway.sock"

    @property
    def claude_config(self) -> Path:
        """CLAUDE_CONFIG_DIR: transcripts, so that `--resume` works in another process."""
        return self.root / "config"

    @property
    def work(self) -> Path:
        """The session's working directory, never a repository."""
        return self.root / "work"

    def attempt(self, n: int) -> Path:
        """Files of one process: stream.jsonl, stderr.log, prompt.txt, exit.json, process.json."""
        return self.root / "attempts" / str(n)


class Launch(Value):
    """Everything an engine needs to start one process of a session. Holds no secret."""

    session: SessionId
    attempt: int
    folder: SessionFolder
    argv: tuple[str, ...]  # arguments after the CLI's own path
    env: dict[str, str]
    prompt: str  # goes to stdin, may be empty
    read_only: tuple[Path, ...] = ()  # mounted at the same path
    limits: Limits = Limits()
    timeout_s: float
    labels: dict[str, str] = {}


class Handle(Value):
    """How a process of a session is found again, by any worker."""

    session: SessionId
    attempt: int
    engine: str
    identity: str  # container id, or "<pid>:<start time>"
    folder: SessionFolder


EndReason = Literal[
    "exited",  # by itself
    "fences",  # never started: what the CLI is held by is not as it must be
    "timeout",
    "oom",
    "pids",
    "disk",
    "flood",  # it said too much
    "silent",  # it lived and said nothing
    "lingered",  # it had given its result and did not go
    "stopped",  # by a person, or because nobody needs it any more
    "lost",  # killed by somebody else, or gone with its machine
    "lease",  # no worker claimed it
]


class ExitState(Value):
    """How a process ended. `reason` tells our own limits from the CLI's end, `detail` says it with numbers."""

    code: int | None
    reason: EndReason = "exited"
    detail: str = ""
    stderr_tail: str = ""


class Engine(Protocol):
    """Runs sessions behind a wall. One contract, one conformance suite (tests/adapters/containers)."""

    name: str

    async def isolation(self) -> Isolation: ...

    async def start_or_attach(self, launch: Launch) -> Handle:
        """Look for this session's process first; start it only where none was ever started for this attempt."""
        ...

    async def read(self, handle: Handle, offset: int, limit: int = 1 << 20) -> bytes:
        """Bytes of stream.jsonl from `offset`. Empty at the end."""
        ...

    async def exited(self, handle: Handle) -> ExitState | None:
        """None while it runs. After the exit, all output is already on disk."""
        ...

    async def stop(self, handle: Handle, grace_s: float = 3.0, reason: EndReason = "stopped") -> ExitState:
        """End it and everything below it, and record why. Safe to repeat; the first reason stays."""
        ...

    async def sweep(self, alive: frozenset[SessionId]) -> tuple[SessionId, ...]:
        """End every process of this installation whose session is not in `alive`. Returns what was ended."""
        ...


class Door(Value):
    """What the gateway must know to serve one session's socket. Written as session.json into the folder."""

    session: SessionId
    incident: IncidentId
    workflow_id: str
    tier: int
    attempt: int
    folder: SessionFolder
    budget_usd: float  # for the session, over all its processes
    scripted: bool = False
    dry_run: bool = False
    traceparent: str = ""
    granted: Granted | None = None  # the session's tools, see policy/tools.py; None: all that its tier has
    domains: tuple[str, ...] = ()  # where the session may go, see policy/egress.py
    bait: tuple[str, ...] = ()  # seen outside, they end the session, see policy/bait.py
    timeout_s: float = 3600.0  # wall clock of one process; a token of this door lives little longer
    remote: bool = False  # reached by a token instead of the socket; said by the gateway itself


class Doors(Protocol):
    """Opens and closes the gateway's door for a session."""

    async def open(self, door: Door) -> None:
        """Returns when the socket answers. Repeating is harmless."""
        ...

    async def close(self, session: SessionId) -> None: ...


class SessionRunner(Protocol):
    """Runs one process of a session from start (or attach) to outcome."""

    async def run(self, order: SessionOrder) -> SessionOutcome: ...


# ---------------------------------------------------------------- records


class SessionRecords(Protocol):
    """What is kept of sessions. All writes may be repeated without effect."""

    async def session_started(
        self, order: SessionOrder, isolation: Isolation, scripted: bool, at: datetime
    ) -> None: ...

    async def session_ended(self, outcome: SessionOutcome) -> None: ...

    async def append_output(self, session: SessionId, attempt: int, lines: Sequence[OutputLine]) -> None:
        """Store one chunk and notify. Lines already stored (same or lower seq) are skipped."""
        ...

    async def last_seq(self, session: SessionId, attempt: int) -> int: ...

    async def actions_of(self, incident: IncidentId) -> tuple[Action, ...]: ...

    async def incident_brief(self, incident: IncidentId) -> "IncidentBrief": ...


class IncidentBrief(Value):
    """What a session is told about its incident, read from the record."""

    incident: IncidentId
    service: ServiceId
    summary: str
    affected: tuple[ServiceId, ...] = ()
    results: tuple[ProbeResult, ...] = ()  # newest first, bounded
    actions: tuple[Action, ...] = ()
    reports: tuple[tuple[int, str], ...] = ()  # (tier, JSON of the report), in order
    bait_seen: IncidentId | None = None  # the open incident of a session that worked here and carried its bait outside


class MemoryRecords(Protocol):
    """What sessions found worth keeping."""

    async def learn(
        self, session: SessionId, incident: IncidentId, stated: Sequence[Learned], refused: Sequence[str], at: datetime
    ) -> int:
        """Keep what a session stated; repeating is harmless. How many are new or surer than before."""
        ...

    async def recall(self, services: Sequence[str], at: datetime, but_of: str = "") -> tuple[Memory, ...]:
        """The surest memories of these services ("" for those of none) that nobody forgot, bounded.

        Without what the incident `but_of` alone taught: its reports tell that.
        """
        ...

    async def weed(self, at: datetime) -> int:
        """Drop what has faded, and what is too much. How many are gone."""
        ...


class HealthRecords(Protocol):
    """What is kept of patrols."""

    async def save_inventory(self, inventory: Inventory, at: datetime) -> None: ...

    async def load_inventory(self) -> Inventory: ...

    async def health(self) -> dict[ServiceId, ServiceHealth]: ...

    async def save_probes(
        self, results: Sequence[ProbeResult], health: Sequence[ServiceHealth], patrol: str
    ) -> None: ...

    async def patrol_finished(
        self, patrol: str, started: datetime, ended: datetime, services: int, failing: int, opened: int, problems: int
    ) -> None: ...

    async def hold(self, service: ServiceId, at: datetime) -> str:
        """Why nothing may be opened for this service now (maintenance, snooze); "" where nothing holds it back."""
        ...


class IncidentRecords(Protocol):
    """What is kept of incidents, actions, permits and approvals. Upserts by id: repeating is harmless."""

    async def incident_opened(
        self,
        incident: IncidentId,
        alert: Alert,
        workflow_id: str,
        run_id: str,
        dry_run: bool,
        scripted: bool,
        requested_by: str,
        prompt: str,
    ) -> None: ...

    async def incident_state(
        self, incident: IncidentId, state: IncidentState, tier: int, summary: str, at: datetime
    ) -> None: ...

    async def timeline(self, key: str, entry: Timeline) -> None:
        """`key` makes a repeated write the same entry."""
        ...

    async def save_action(self, action: Action) -> None: ...

    async def begin_action(self, action: Action) -> bool:
        """Write that the effect begins now. False where it was begun or given up before: then it must not happen."""
        ...

    async def find_action(self, action: ActionId) -> Action | None:
        """The action as last written, or None where it never reached the record."""
        ...

    async def save_permit(self, permit: Permit) -> None: ...

    async def permits(self, service: ServiceId, since: datetime) -> tuple[Permit, ...]: ...

    async def save_approval(self, approval: Approval) -> None: ...

    async def save_ledger_note(
        self, service: ServiceId, kind: str, until: datetime | None, reason: str, actor: str, at: datetime
    ) -> None:
        """`kind`: maintenance, snooze or reset."""
        ...

    async def ledger_notes(self, service: ServiceId) -> dict[str, tuple[datetime | None, str, datetime]]:
        """Newest note per kind: (until, reason, at)."""
        ...

    async def audit(
        self, key: str, at: datetime, actor_kind: str, actor: str, action: str, target: str, detail: dict[str, object]
    ) -> None: ...


class ModelRecords(Protocol):
    """What is kept of model requests."""

    async def model_call(self, call: ModelCall) -> None:
        """Keep one request. The same id twice is one row."""
        ...

    async def spent(self, session: SessionId) -> float:
        """What the session's requests cost so far, in USD."""
        ...


class BudgetRecords(Protocol):
    """What is kept of promises, and what was spent. All writes may be repeated without effect."""

    async def reservations(self, since: datetime) -> tuple[Reservation, ...]:
        """All that are open, and those that ended after `since`, oldest first."""
        ...

    async def save_reservations(self, reservations: Sequence[Reservation]) -> None:
        """States only go forward. All or none."""
        ...

    async def spent_since(self, since: datetime) -> float:
        """What all sessions cost since then, in USD. A half hour that began before `since` counts whole."""
        ...

    async def spent_by(self, sessions: Sequence[SessionId]) -> dict[SessionId, float]:
        """What each session cost so far, in USD. Who spent nothing is not named."""
        ...

    async def save_budget_note(self, note: BudgetNote, at: datetime) -> None: ...

    async def budget_note(self) -> BudgetNote | None:
        """The newest one."""
        ...


class NoticeRecords(Protocol):
    """Which notices went where."""

    async def delivered(self, key: str, channel: str) -> bool: ...

    async def save_delivery(self, notice: Notice, delivery: Delivery, at: datetime) -> None: ...


class UpkeepRecords(Protocol):
    """What is too old, and what was left behind."""

    async def prune(self, before: datetime) -> dict[str, int]:
        """Delete what is older, return rows per table."""
        ...

    async def running_sessions(self) -> tuple[SessionId, ...]: ...

    async def open_sessions(self) -> tuple[tuple[SessionId, int, str], ...]:
        """(session, attempt, workflow id) of every process that was not written as ended."""
        ...

    async def session_lost(self, session: SessionId, attempt: int, at: datetime) -> None:
        """End a process in the record whose workflow is gone."""
        ...

    async def approvals_of(self, incident: IncidentId) -> tuple[Approval, ...]: ...

    async def actions_of(self, incident: IncidentId) -> tuple[Action, ...]: ...

    async def digest(self, since: datetime, until: datetime) -> DigestCounts: ...

    async def open_incidents(self) -> tuple[tuple[IncidentId, str], ...]:
        """(incident, workflow id) of every incident that the record holds open."""
        ...


class Folders(Protocol):
    """The folders of sessions on disk."""

    async def prune(self, before: datetime, keep: frozenset[SessionId]) -> int:
        """Delete those that nothing was written to since, but none in `keep`. How many are gone."""
        ...


class DoorList(Protocol):
    """Which doors are open, for sweeps."""

    async def opened(self) -> tuple[SessionId, ...]: ...

    async def close(self, session: SessionId) -> None: ...


# ---------------------------------------------------------------- people


class Passwords(Protocol):
    """Hashes passwords and PINs so that the record holds none of them."""

    async def hash(self, secret: str) -> str: ...

    async def verify(self, secret: str, stored: str | None) -> bool:
        """Without a stored hash it takes as long and is False: nobody learns by time which names exist."""
        ...


# ---------------------------------------------------------------- telling


class Notifier(Protocol):
    """Sends one notice through one channel."""

    def channels(self) -> tuple[str, ...]: ...

    async def send(self, channel: str, notice: Notice) -> Delivery: ...


class Examiner(Protocol):
    """Tries a part that only the worker can reach."""

    async def examine(self, order: ExaminationOrder) -> Examination:
        """Look once. What does not work is a finding, not an exception."""
        ...


class ApprovalLinks(Protocol):
    """Links in notices. Tokens are made here and leave only in the message; the record has their hashes."""

    async def issue(self, approval: Approval, person: str, purpose: LinkPurpose, channel: str, at: datetime) -> str:
        """Make a link for one person and give its token."""
        ...

    async def readers(self) -> tuple[Reader, ...]:
        """Everybody who has an account that works."""
        ...

    async def approval(self, approval: ApprovalId) -> Approval | None: ...


# ---------------------------------------------------------------- asking (gateway -> workflow)


class Broker(Protocol):
    """Carries a session's wish to the escalation that owns it."""

    async def consider(self, workflow_id: str, request: ActionRequest) -> "BrokerAnswer":
        """What the gate should do with this tool call: allow, deny or defer. Never acts."""
        ...

    async def act(self, workflow_id: str, request: ActionRequest) -> "BrokerAnswer":
        """Decide again and perform. The same tool call always gets the same answer."""
        ...


class BrokerAnswer(Value):
    """The answer in words for the model, and the decision for the gate."""

    decision: str  # allow | deny | defer
    state: str
    message: str
    retry_after_s: float | None = None
