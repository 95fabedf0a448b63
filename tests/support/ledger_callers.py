"""Many callers of one ledger: `python -m tests.support.ledger_callers ADDRESS RUN FIRST COUNT`."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from adapters.engine.client import TemporalLedger
from adapters.engine.slots import UpdateSlots
from domain.action import ActionKind, CooldownClass
from domain.ids import PermitId, ServiceId
from domain.ledger import CooldownRule, PermitRequest

SERVICE = ServiceId("local/web")


def request(n: int, limit: int = 50, holder: str = "") -> PermitRequest:
    return PermitRequest(
        id=PermitId(f"per_{n}"),
        service=SERVICE,
        kind=ActionKind.RESTART,
        cooldown_class=CooldownClass.RESTART,
        rule=CooldownRule(limit=limit, window_s=60),
        holder=holder,
    )


class WatchedSlots(UpdateSlots):
    """Notes when each slot was held, by the clock that all processes of a machine share."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.held: list[tuple[float, float]] = []

    @asynccontextmanager
    async def slot(self, entity: str) -> AsyncGenerator[None]:
        async with super().slot(entity):
            begun = time.monotonic()
            try:
                yield
            finally:
                self.held.append((begun, time.monotonic()))


async def main(address: str, slots: str, first: int, count: int) -> None:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    watched = WatchedSlots(Path(slots))
    ledger = TemporalLedger(client, watched, patience_s=60)
    answers = await asyncio.gather(*(ledger.acquire(request(n)) for n in range(first, first + count)))
    granted = sum(a.granted for a in answers)
    sys.stdout.write(json.dumps({"granted": granted, "answered": len(answers), "held": watched.held}))
    sys.stdout.flush()
    os._exit(0)  # a thread of the SDK's core sometimes aborts an interpreter that ends right after a call


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
