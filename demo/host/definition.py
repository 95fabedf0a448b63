"""How a unit is declared to the manager."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any


async def _nothing() -> None:
    return


async def _always() -> bool:
    return True


@dataclass(frozen=True)
class Definition:
    """One unit. `argv` and `spawn` are asked after `prepare`, because preparing may decide them."""

    name: str
    about: str
    argv: Callable[[], tuple[str, ...]]
    config: Path | None = None
    config_text: Callable[[], str] = field(default=lambda: "")
    test: tuple[str, ...] = ()  # a program that tests the configuration; ends with 0 where it is valid
    reload: Signals | None = None
    stop: Signals = SIGTERM
    parent_death: Signals = SIGTERM
    prepare: Callable[[], Awaitable[None]] = _nothing
    ready: Callable[[], Awaitable[bool]] = _always
    spawn: Callable[[], dict[str, Any]] = field(default=dict)
    ready_s: float = 15.0
    grace_s: float = 3.0
