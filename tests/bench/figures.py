"""How figures are printed: one line each, with the goal of the design beside it."""

from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of all lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def show(what: str, value: str, goal: str = "") -> None:
    """One figure."""
    print(f"{what:<58} {value:>14}" + (f"   goal: {goal}" if goal else ""))


def spread(what: str, values_ms: Sequence[float], goal: str = "") -> None:
    """p50, p95 and the largest, in milliseconds."""
    show(f"{what}, p50", f"{percentile(values_ms, 0.5):.1f} ms")
    show(f"{what}, p95", f"{percentile(values_ms, 0.95):.1f} ms", goal)
    show(f"{what}, largest of {len(values_ms)}", f"{max(values_ms):.1f} ms")
