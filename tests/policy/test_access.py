"""Which sessions need a wall."""

import pytest

from domain.session import Isolation
from policy.access import refusal_to_start

WALLED = Isolation(engine="process", isolated=True, how="bubblewrap")
BARE = Isolation(engine="process", isolated=False, how="no user namespaces here")


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_behind_a_wall_every_tier_may_start(tier: int) -> None:
    assert refusal_to_start(tier, WALLED, scripted=False) == ""


@pytest.mark.parametrize("tier", [2, 3])
def test_without_a_wall_a_real_model_that_could_act_may_not_start(tier: int) -> None:
    reason = refusal_to_start(tier, BARE, scripted=False)
    assert reason.startswith(f"tier {tier} with a real model needs an isolated session")
    assert "no user namespaces here" in reason
    assert "Install bubblewrap" in reason


@pytest.mark.parametrize(("tier", "scripted"), [(1, False), (1, True), (2, True), (3, True)])
def test_what_cannot_act_or_cannot_be_talked_into_it_may_start_without_a_wall(tier: int, scripted: bool) -> None:
    assert refusal_to_start(tier, BARE, scripted=scripted) == ""
