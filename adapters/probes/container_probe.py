"""container: state, health and restarts as the engine tells them."""

from datetime import datetime, timedelta
from typing import Any

from adapters.probes.outcome import Outcome, error, fail, ok, one_line, warn
from adapters.probes.tools import Tools
from domain.errors import TransientError
from domain.health import ContainerProbe

_RECENT = timedelta(hours=1)


async def run(spec: ContainerProbe, tools: Tools) -> Outcome:
    """ERROR where the engine cannot be asked; a missing container is a FAIL."""
    if tools.containers is None:
        return error("no container engine is configured; start Docker or set TIERCEL_DOCKER_HOST")
    try:
        found = await tools.containers.inspect(tools.node, spec.container)
    except TransientError as e:
        return error(one_line(str(e)))
    if found is None:
        return fail(f"there is no container {spec.container}")
    return judge(spec, found, tools.clock.now())


def judge(spec: ContainerProbe, found: dict[str, Any], now: datetime) -> Outcome:
    """Decide from the engine's own JSON."""
    state: dict[str, Any] = found.get("State") or {}
    status, identity = str(state.get("Status", "unknown")), str(found.get("Id", ""))
    evidence = _evidence(found, state)
    if status == "paused":
        return fail("the container is paused", evidence, identity)
    if status == "restarting":
        return fail("the container restarts again and again", evidence, identity)
    if status != "running":
        return _not_running(found, state, status, evidence, identity)
    health: dict[str, Any] = state.get("Health") or {}
    if health.get("Status") == "unhealthy":
        return fail("the container's own health check fails", evidence, identity)
    if int(found.get("RestartCount") or 0) > spec.max_restarts and _started_recently(state, now):
        return warn(f"restarted {found['RestartCount']} times, last within the hour", evidence, identity)
    if health.get("Status") == "starting":
        return ok("running, its health check has not finished yet", evidence, identity)
    return ok("running" + (" and healthy" if health.get("Status") == "healthy" else ""), evidence, identity)


def _not_running(found: dict[str, Any], state: dict[str, Any], status: str, evidence: str, identity: str) -> Outcome:
    host: dict[str, Any] = found.get("HostConfig") or {}
    policy: dict[str, Any] = host.get("RestartPolicy") or {}
    code = state.get("ExitCode")
    if status == "exited" and code == 0 and policy.get("Name", "no") in {"", "no"}:
        # A job that ran to its end. What must stay up says so by a restart policy.
        return ok("finished with exit code 0", evidence, identity)
    memory = ", killed for memory" if state.get("OOMKilled") else ""
    return fail(f"{status} with exit code {code}{memory}", evidence, identity)


def _started_recently(state: dict[str, Any], now: datetime) -> bool:
    try:
        started = datetime.fromisoformat(str(state.get("StartedAt", ""))[:19] + "+00:00")
    except ValueError:
        return False
    return now - started < _RECENT


def _evidence(found: dict[str, Any], state: dict[str, Any]) -> str:
    lines = [
        f"{str(found.get('Name', '')).lstrip('/')} {str(found.get('Id', ''))[:12]}",
        f"status {state.get('Status')}, exit code {state.get('ExitCode')}, restarts {found.get('RestartCount')}",
        f"started {state.get('StartedAt')}, finished {state.get('FinishedAt')}",
    ]
    if state.get("Error"):
        lines.append(f"error: {state['Error']}")
    health: dict[str, Any] = state.get("Health") or {}
    log: list[dict[str, Any]] = health.get("Log") or []
    lines += [f"health check: exit {e.get('ExitCode')}: {str(e.get('Output', ''))[:300]}" for e in log[-2:]]
    return "\n".join(lines)
