"""The commands that a recorded run gave, in order: what a change must not alter for runs that are under way."""

import json
from pathlib import Path
from typing import Any

HISTORIES = Path(__file__).parent.parent / "histories"
COMMANDS = {
    "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED": ("activityTaskScheduledEventAttributes", "activityType"),
    "EVENT_TYPE_TIMER_STARTED": ("timerStartedEventAttributes", None),
    "EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED": (
        "startChildWorkflowExecutionInitiatedEventAttributes",
        "workflowType",
    ),
    "EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES": (None, None),
    "EVENT_TYPE_MARKER_RECORDED": (None, None),
    "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED": (None, None),
    "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED": (None, None),
    "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW": (None, None),
}


def fingerprint(history: dict[str, Any]) -> list[str]:
    """One word per command, with the name of what it starts."""
    words: list[str] = []
    for event in history["events"]:
        if event["eventType"] not in COMMANDS:
            continue
        attributes, named = COMMANDS[event["eventType"]]
        word = event["eventType"].removeprefix("EVENT_TYPE_").lower()
        if attributes and named:
            word += ":" + event[attributes][named]["name"]
        words.append(word)
    return words


def recorded() -> list[Path]:
    """The committed histories, one per story."""
    return sorted(HISTORIES.glob("*.json"))


def load(path: Path) -> dict[str, Any]:
    """One history as JSON."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
