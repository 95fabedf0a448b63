"""Who may start: which sessions need a wall."""

from domain.session import Isolation


def refusal_to_start(tier: int, isolation: Isolation, scripted: bool) -> str:
    """Why this session may not start here; "" where it may.

    A scripted model cannot be talked into anything, and tier 1 offers no action, so only a real model's
    tiers 2 and 3 need the wall.
    """
    if isolation.isolated or scripted or tier <= 1:
        return ""
    return (
        f"tier {tier} with a real model needs an isolated session, and the {isolation.engine} engine cannot isolate here: "
        f"{isolation.how}. Install bubblewrap (and allow user namespaces) or a Docker engine, then run `tiercel doctor`"
    )
