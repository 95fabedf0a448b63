"""unit: a supervised process as its node's service manager tells it."""

from adapters.probes.outcome import Outcome, error, fail, ok, one_line
from adapters.probes.tools import Tools
from domain.errors import TransientError
from domain.health import UnitProbe


async def run(spec: UnitProbe, tools: Tools) -> Outcome:
    """ERROR where the manager cannot be asked; an unknown or stopped unit is a FAIL."""
    if tools.units is None:
        return error("no service manager is configured; set TIERCEL_UNITS_SOCKET")
    try:
        state = await tools.units.look(tools.node, spec.unit)
    except TransientError as e:
        return error(one_line(str(e)))
    if state is None:
        return fail(f"the service manager knows no unit {spec.unit}")
    evidence = (
        f"unit {spec.unit}: {state.status}, {state.identity or 'no process'}, since {state.started_at}\n{state.detail}"
    )
    if not state.running:
        return fail(
            f"{spec.unit} is {state.status}" + (f": {one_line(state.detail, 120)}" if state.detail else ""), evidence
        )
    return ok(f"{spec.unit} is {state.status}", evidence, state.identity)
