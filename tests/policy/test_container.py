"""A repository takes away from a tier, and never adds."""

from hypothesis import given
from hypothesis import strategies as st

from domain.inventory import ContainerRules
from domain.session import Limits, TierSettings
from policy.container import tighten

TIER = TierSettings(
    tier=2,
    name="investigate",
    model="m",
    timeout_s=900,
    max_turns=60,
    budget_usd=1,
    limits=Limits(memory_mb=1024, cpus=1.0, pids=256, disk_mb=2048),
)
amounts = st.none() | st.integers(1, 10_000)
rules = st.builds(
    ContainerRules,
    memory_mb=amounts,
    pids=amounts,
    disk_mb=amounts,
    cpus=st.none() | st.floats(0.1, 64),
    timeout_s=st.none() | st.floats(1, 100_000),
)


def test_without_a_file_the_tier_stays_as_it_is() -> None:
    assert tighten(TIER, []).tier == TIER
    assert tighten(TIER, [ContainerRules()]).tier == TIER


@given(st.lists(rules, max_size=4))
def test_nothing_ever_gets_more_and_every_wish_for_less_holds(wishes: list[ContainerRules]) -> None:
    given = tighten(TIER, wishes)
    for name, own in {**TIER.limits.model_dump(), "timeout_s": TIER.timeout_s}.items():
        got = {**given.tier.limits.model_dump(), "timeout_s": given.tier.timeout_s}[name]
        assert got == min([own, *(v for w in wishes if (v := getattr(w, name)) is not None)])
    same = {"limits": TIER.limits, "timeout_s": TIER.timeout_s}
    assert given.tier.model_copy(update=same) == TIER


def test_a_file_that_cannot_be_used_lets_nothing_start() -> None:
    assert tighten(TIER, [ContainerRules(), ContainerRules(unusable="line 3")]).refusal == "line 3"
