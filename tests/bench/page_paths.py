"""What `./dev bench pages` asks for. A test holds that every address of the dashboard is here, or below with a reason.

A new list belongs into `paths`: its first page, its rarest filter, a page from its middle, JSON, and CSV with a filter
that lets as many rows through at every size.
"""

from datetime import datetime, timedelta

from tests.bench.page_data import LONG

# Names of routes (web/routes.py) that no path below leads to.
NOT_MEASURED = {
    "schedules_list": "read from Temporal, not from the record",
    "schedules_json": "read from Temporal, not from the record",
    "schedules_csv": "read from Temporal, not from the record",
    "schedule_plan": "read from Temporal, not from the record",
    "workflow_show": "read from Temporal, page by page",
    "workflow_json": "read from Temporal, page by page",
    "session_stream": "a stream: ./dev bench stream",
    "events_stream": "a stream: ./dev bench stream",
    "echo_stream": "a stream of the echo check",
    "link_show": "one row by the hash of its token",
    "static_show": "files",
    "login_show": "a form",
    "setup_show": "a form",
    "account_show": "one person's, and needs somebody logged in",
    "keys_list": "one person's, and needs somebody logged in",
    "keys_json": "one person's, and needs somebody logged in",
    "keys_csv": "one person's, and needs somebody logged in",
}


def log_paths(size: int) -> dict[str, str]:
    """The long log: its page, a linked line, and parts of it."""
    incident, log = f"/incidents/inc_bench_{size // 2:08}", f"sesinc_bench_{size // 2:08}"
    return {
        "log, its newest lines": incident,
        "log, a linked line": f"{incident}?log={log}:1&line=10000",
        "log, earlier lines": f"/sessions/{log}/1/lines?before=10000",
        "log, later lines": f"/sessions/{log}/1/lines?after=10000",
        "log, one kind": f"{incident}?log={log}:1&kind=say",
        "log, a frequent text": f"{incident}?log={log}:1&find=health",
        "log, more of a frequent text": f"/sessions/{log}/1/lines?find=health&before=10000",
    }


def whole_log_paths(size: int) -> dict[str, str]:
    """What reads a whole log of any session: beside the goal, as long at every size."""
    incident, log = f"/incidents/inc_bench_{size // 2:08}", f"sesinc_bench_{size // 2:08}"
    return {
        f"log, {LONG:,} lines as text": f"/sessions/{log}/1.txt",
        "log, a rare text": f"{incident}?log={log}:1&find=refused",
        "log, more of a rare text": f"/sessions/{log}/1/lines?find=refused&before=20000",
    }


def paths(size: int, middle: datetime, waiting: str) -> dict[str, str]:
    """Every page that reads the record; `middle` is in the middle of every list, `waiting` is an open approval."""
    after = f"{middle:%Y%m%dT%H%M%S.%f}~"
    filled = middle + timedelta(hours=1, minutes=size // 2)  # a kept record is older than now
    return {
        **_incident_paths(size, after),
        **log_paths(size),
        **_run_paths(after, filled),
        **_event_paths(after, filled),
        **_service_paths(),
        **_memory_paths(filled),
        **_approval_paths(after, waiting),
        **_audit_paths(after, filled),
        **_other_paths(),
    }


def _incident_paths(size: int, after: str) -> dict[str, str]:
    one = f"/incidents/inc_bench_{size // 2:08}"
    return {
        "overview": "/",
        "incidents": "/incidents",
        "incidents, one state": "/incidents?state=self_healed",
        "incidents, still open": "/incidents?state=live",
        "incidents, one service": "/incidents?service=nas/backup",
        "incidents, a rare state of one service": "/incidents?state=needs_person&service=nas/backup",
        "incidents, no hit": "/incidents?state=cancelled",
        "incidents, from the middle": f"/incidents?after={after}inc",
        "incidents as JSON": "/incidents.json",
        "incidents as CSV, open": "/incidents.csv?state=live",
        "post-mortem": f"{one}.md",
        "post-mortem as JSON": f"{one}.json",
    }


def _since(filled: datetime, hours: int) -> str:
    return f"since={filled - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def _run_paths(after: str, filled: datetime) -> dict[str, str]:
    return {
        "runs": "/runs",
        "runs, waiting": "/runs?status=waiting",
        "runs, rare trigger": "/runs?trigger=look",
        "runs, rare tier": "/runs?tier=3",
        "runs, rare tier of one service": "/runs?tier=3&service=nas/backup",
        "runs, tier and service that never meet": "/runs?tier=1&service=local/blog",
        "runs, trigger and service that never meet": "/runs?trigger=alert&service=local/blog",
        "runs, trigger and tier that never meet": "/runs?trigger=alert&tier=1",
        "runs, trigger and node that never meet": "/runs?trigger=alert&node=nas",
        "runs, one node": "/runs?node=nas",
        "runs, no node": "/runs?node=none",
        "runs, the last day": f"/runs?{_since(filled, 24)}",
        "runs, from the middle": f"/runs?after={after}inc",
        "runs as JSON": "/runs.json",
        "runs as CSV, rare trigger": "/runs.csv?trigger=look",
        "a new run": "/runs/new",
    }


def _event_paths(after: str, filled: datetime) -> dict[str, str]:
    every = "&".join(
        f"kind={kind}" for kind in ("incident", "session", "action", "approval", "notice", "note", "patrol", "probe")
    )
    return {
        "events": "/events",
        "events, every kind": f"/events?{every}",
        "events, patrols": "/events?kind=patrol",
        "events, from the middle": f"/events?after={after}timeline:",
        "events, one service": "/events?service=nas/backup",
        "events, every kind of one service": f"/events?{every}&service=nas/backup",
        "events, a service without any": "/events?service=local/nothing",
        "events as JSON": "/events.json",
        "events as CSV, the last 2 hours": f"/events.csv?{_since(filled, 2)}",
    }


def _service_paths() -> dict[str, str]:
    return {
        "services": "/services",
        "services, failing": "/services?state=failing",
        "services, unstable": "/services?state=unstable",
        "services, 7 days": "/services?bars=7d",
        "services, 30 days": "/services?bars=30d",
        "services, 90 days": "/services?bars=90d",
        "services, by words": "/services?q=far&node=far",
        "services as JSON": "/services.json",
        "services as CSV": "/services.csv?node=local",
        "one service": "/services/nas/backup",
        "one service, 90 days": "/services/far/s7?bars=90d",
        "cooldowns": "/cooldowns",
        "cooldowns, by words": "/cooldowns?q=blog&node=local",
        "cooldowns as JSON": "/cooldowns.json",
        "cooldowns as CSV": "/cooldowns.csv",
    }


def _memory_paths(now: datetime) -> dict[str, str]:
    """At every size there are as many: their number is bounded."""
    return {
        "memories": "/memories",
        "memories, sure ones of one service": "/memories?service=far/s7&confidence=0.75",
        "memories, by words": "/memories?q=1990th",
        "memories, no hit": "/memories?q=nothing&category=timing",
        "memories, from the middle": f"/memories?after={now - timedelta(days=14):%Y%m%dT%H%M%S.%f}~mem",
        "memories as JSON": "/memories.json",
        "memories as CSV, one kind": "/memories.csv?category=place&service=far/s7",
        "one memory": "/memories/mem_bench_00995",
    }


def _approval_paths(after: str, waiting: str) -> dict[str, str]:
    return {
        "approvals": "/approvals",
        "approvals, denied": "/approvals?state=denied",
        "approvals, no hit": "/approvals?state=void",
        "approvals, from the middle": f"/approvals?after={after}apr",
        "approvals as JSON": "/approvals.json",
        "approvals as CSV, denied": "/approvals.csv?state=denied",
        "one approval": f"/approvals/{waiting}",
        "one approval as JSON": f"/approvals/{waiting}.json",
        "another action instead": f"/approvals/{waiting}/preview?instead=restart",
    }


def _audit_paths(after: str, filled: datetime) -> dict[str, str]:
    return {
        "audit": "/audit",
        "audit, one target": "/audit?target=local/rare",
        "audit, one actor": "/audit?actor=rare",
        "audit, target and actor": "/audit?target=local/blog&actor=rare",
        "audit, target and actor that never meet": "/audit?target=local/blog&actor=ses1",
        "audit, actor and action that never meet": "/audit?actor=patrol&action=action.asked",
        "audit, from the middle": f"/audit?after={after}1",
        "audit, one action": "/audit?action=ledger.snooze",
        "audit, one kind of actor": "/audit?actor_kind=cli",
        "audit, kind and action": "/audit?actor_kind=session&action=action.refused",
        "audit, kind and action that never meet": "/audit?actor_kind=system&action=action.asked",
        "audit, target and action that never meet": "/audit?target=local/rare&action=ledger.snooze",
        "audit, the last hour": f"/audit?{_since(filled, 1)}",
        "audit as JSON": "/audit.json",
        "audit as CSV, one actor": "/audit.csv?actor=rare",
        "audit as JSON lines, one actor": "/audit.jsonl?actor=rare",
    }


def _other_paths() -> dict[str, str]:
    return {
        "costs": "/costs",
        "costs, by service": "/costs?by=service",
        "costs as JSON": "/costs.json",
        "costs as CSV": "/costs.csv?by=trigger",
        "budgets": "/budgets",
        "budgets as JSON": "/budgets.json",
        "budgets as CSV": "/budgets.csv",
        "settings": "/settings",
        "settings as JSON": "/settings.json",
        "settings as CSV": "/settings.csv",
        "settings as a file": "/settings.env",
        "users": "/users",
        "users as JSON": "/users.json",
        "users as CSV": "/users.csv",
        "about": "/about",
        "metrics": "/metrics",
        "health": "/healthz",
    }
