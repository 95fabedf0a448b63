"""What an action may carry besides its kind and target: for each kind a short list, each value within bounds."""

from collections.abc import Mapping
from typing import Any

from domain.action import ActionKind
from domain.base import Value
from domain.inventory import ServiceKind


class ParamRule(Value):
    """One whole number that a kind takes, for one kind of service."""

    name: str
    says: str  # what it means, for people
    unit: str
    lowest: int
    highest: int
    usual: int  # what holds where it is left out
    service: ServiceKind

    def line(self) -> str:
        """For messages: `stop_wait_s (1 to 60 seconds)`."""
        return f"{self.name} ({self.lowest} to {self.highest} {self.unit})"


STOP_WAIT = ParamRule(
    name="stop_wait_s",
    says="Time to stop by itself before it is killed",
    unit="seconds",
    lowest=1,
    highest=60,
    usual=10,
    service=ServiceKind.CONTAINER,
)
PARAMS: dict[ActionKind, tuple[ParamRule, ...]] = {ActionKind.RESTART: (STOP_WAIT,)}


def offered(kind: ActionKind, service: ServiceKind) -> tuple[ParamRule, ...]:
    """What `kind` takes on a service of this kind."""
    return tuple(rule for rule in PARAMS.get(kind, ()) if rule.service == service)


def broken(kind: ActionKind, service: ServiceKind, params: Mapping[str, Any]) -> str:
    """Why these params cannot be; "" where each is known and within its bounds."""
    rules = {rule.name: rule for rule in offered(kind, service)}
    if params and not rules:
        return f"'{kind}' takes no params here; leave them out"
    for name, value in params.items():
        rule = rules.get(name)
        if rule is None:
            return f"'{kind}' has no param '{name[:40]}'; it takes {', '.join(r.line() for r in rules.values())}"
        if type(value) is not int or not rule.lowest <= value <= rule.highest:
            return f"{name} must be a whole number, {rule.lowest} to {rule.highest} {rule.unit}"
    return ""
