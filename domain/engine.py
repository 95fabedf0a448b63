"""Names shared by workflows and by everything that calls them without importing them."""

TASK_QUEUE_CONTROL = "tiercel-control"  # workflows and light activities
TASK_QUEUE_SESSIONS = "tiercel-sessions"  # one slot per running session
TASK_QUEUE_PROBES = "tiercel-probes"  # sweeps, so that a long sweep delays nobody

PATROL = "PatrolWorkflow"
ESCALATION = "EscalationWorkflow"
BAIT = "BaitWorkflow"  # BaitSeen -> EscalationResult; takes UPDATE_CLOSE and QUERY_VIEW
LEDGER = "LedgerWorkflow"
BUDGET = "BudgetWorkflow"
UPKEEP = "UpkeepWorkflow"
NOTICE = "NoticeWorkflow"
EXAMINATION = "ExaminationWorkflow"  # ExaminationOrder -> Examination

SCHEDULE_PATROL = "patrol"
SCHEDULE_UPKEEP = "upkeep"
SCHEDULE_LOOK = "look"

# EscalationWorkflow
SIGNAL_ALERT = "alert"  # Alert
SIGNAL_OBSERVED = "observed"  # Observed
UPDATE_CONSIDER = "consider"  # ActionRequest -> ActionAnswer
UPDATE_ACT = "act"  # ActionRequest -> ActionAnswer
UPDATE_DECIDE = "decide"  # Decision -> DecisionAnswer
UPDATE_CLOSE = "close"  # CloseRequest -> str, a person closes or stops it
QUERY_VIEW = "view"  # -> EscalationView

# LedgerWorkflow
UPDATE_ACQUIRE = "acquire"  # PermitRequest -> PermitAnswer
UPDATE_CONFIRM = "confirm"  # PermitOutcome -> bool
UPDATE_RELEASE = "release"  # PermitOutcome -> bool
UPDATE_MAINTENANCE = "maintenance"  # LedgerNote -> bool
UPDATE_SNOOZE = "snooze"  # LedgerNote -> bool
UPDATE_RESET = "reset"  # LedgerNote -> bool
QUERY_JOURNAL = "journal"  # -> Journal

# BudgetWorkflow
UPDATE_TRANSACT = "transact"  # BudgetBatch -> BudgetAnswers
UPDATE_NOTE = "note"  # BudgetNote -> bool, a person pauses or resumes
QUERY_ACCOUNT = "account"  # -> Account

SEARCH_ATTRIBUTES = {
    "Service": "Keyword",
    "Node": "Keyword",
    "Tier": "Int",
    "RunState": "Keyword",
    "Trigger": "Keyword",
    "PendingApproval": "Bool",
}

MAX_UPDATES_IN_FLIGHT = 8  # a Temporal entity collapses above 10
