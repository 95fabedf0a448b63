"""What a repository's `.claude/container.yaml` makes of a tier: less, never more."""

from collections.abc import Sequence

from domain.base import Value
from domain.inventory import ContainerRules
from domain.session import Limits, TierSettings


class Tightened(Value):
    """A tier as one session gets it. `refusal`: why none may start, or "". Its tools: policy/tools.py."""

    tier: TierSettings
    refusal: str = ""


def tighten(tier: TierSettings, rules: Sequence[ContainerRules]) -> Tightened:
    """The strictest of the tier and of all `rules`.

    A file that cannot be read may have wanted to restrict: then nothing starts, instead of starting with too much.
    """
    refusal = next((r.unusable for r in rules if r.unusable), "")
    own = tier.limits
    limits = Limits(
        memory_mb=min([own.memory_mb, *(r.memory_mb for r in rules if r.memory_mb is not None)]),
        cpus=min([own.cpus, *(r.cpus for r in rules if r.cpus is not None)]),
        pids=min([own.pids, *(r.pids for r in rules if r.pids is not None)]),
        disk_mb=min([own.disk_mb, *(r.disk_mb for r in rules if r.disk_mb is not None)]),
    )
    timeout_s = min([tier.timeout_s, *(r.timeout_s for r in rules if r.timeout_s is not None)])
    return Tightened(
        tier=tier.model_copy(update={"limits": limits, "timeout_s": timeout_s}),
        refusal=refusal,
    )
