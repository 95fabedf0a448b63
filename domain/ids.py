"""Identifiers, and the few rules that derive one from another.

Every id that must be the same after a crash is derived from what caused it, never drawn at random.
"""

import hashlib
import json
import re
import unicodedata
import uuid
from typing import Any, NewType

ServiceId = NewType("ServiceId", str)  # "<node>/<name>", canonical
IncidentId = NewType("IncidentId", str)
SessionId = NewType("SessionId", str)  # a UUID, also the CLI's --session-id
ActionId = NewType("ActionId", str)
PermitId = NewType("PermitId", str)
ApprovalId = NewType("ApprovalId", str)
MemoryId = NewType("MemoryId", str)

LOCAL_NODE = "local"
_NAMESPACE = uuid.UUID("6f1d3b1e-6a55-4c1c-9c0e-7469657263e1")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def canonical_name(text: str) -> str:
    """Fold a spelling: Unicode compatibility form, case and surrounding blanks removed."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def is_name(text: str) -> bool:
    """Whether `text` may name a service or a node (after `canonical_name`)."""
    return _NAME.fullmatch(text) is not None


def service_id(node: str, name: str) -> ServiceId:
    """The canonical id of a service."""
    return ServiceId(f"{canonical_name(node)}/{canonical_name(name)}")


def derived_uuid(*parts: str) -> str:
    """A UUID that depends on nothing but `parts`."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))


def session_id(workflow_id: str, run_id: str, tier: int, ordinal: int) -> SessionId:
    """The id of one session of a run: `ordinal` counts fresh starts of that tier, resumes keep the id."""
    return SessionId(derived_uuid("session", workflow_id, run_id, str(tier), str(ordinal)))


def action_id(session: str, tool_use_id: str) -> ActionId:
    """The id of the action that one tool call asks for, so that a repeated call is the same action."""
    return ActionId("act_" + derived_uuid("action", session, tool_use_id)[:18])


def permit_id(action: ActionId) -> PermitId:
    """The ledger's permit for one action."""
    return PermitId("per_" + action.removeprefix("act_"))


def approval_id(action: ActionId) -> ApprovalId:
    """The approval of one action."""
    return ApprovalId("apr_" + action.removeprefix("act_"))


def memory_id(source: str, service: str, category: str, text: str) -> MemoryId:
    """The id of a memory, by who stated it first (a session, or one act of a person), so that a retry is the same."""
    return MemoryId("mem_" + derived_uuid("memory", source, service, category, text)[:18])


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """sha256 (hex) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def escalation_workflow_id(service: str) -> str:
    """The workflow that owns the open incident of a service."""
    return f"escalation/{service}"


BAIT_WORKFLOWS = "bait/"  # their ids begin like this


def bait_workflow_id(session: SessionId) -> str:
    """The workflow that owns the incident of a session that carried its bait outside."""
    return f"{BAIT_WORKFLOWS}{session}"


def bait_incident_id(session: SessionId) -> IncidentId:
    """That incident: one for each session, however often it was seen."""
    return IncidentId("inc_" + derived_uuid("bait", session)[:18])


def ledger_workflow_id(service: str) -> str:
    """The entity that grants permits for a service."""
    return f"ledger/{service}"


BUDGET_WORKFLOW_ID = "budget"  # the one entity that all sessions get their money from


def reservation_id(session: str, attempt: int) -> str:
    """The money of one process of a session."""
    return f"{session}/{attempt}"
