"""What a permit costs: a ledger update on a real server, written to the record before it is answered."""

import time

from adapters.database.pool import Pool
from domain.action import ActionKind, CooldownClass
from domain.ids import PermitId, ServiceId
from domain.ledger import CooldownRule, PermitRequest
from tests.bench.figures import show, spread
from tests.bench.record import with_record
from tests.support.engine_room import DirectLedger, engine_room
from tests.support.temporal import dev_server
from tests.support.world import World, a_service

SERVICES = 20
PERMITS = 200


async def measure(url: str) -> None:
    rule = CooldownRule(limit=PERMITS, window_s=3600)
    async with Pool(url) as pool, dev_server() as (client, _), engine_room(client, pool, World([a_service("web")])):
        ledger = DirectLedger(client)
        first: list[float] = []
        later: list[float] = []
        for n in range(PERMITS):
            service = ServiceId(f"local/s{n % SERVICES}")
            request = PermitRequest(
                id=PermitId(f"per_{n}"),
                service=service,
                kind=ActionKind.RESTART,
                cooldown_class=CooldownClass.RESTART,
                rule=rule,
            )
            began = time.perf_counter()
            answer = await ledger.acquire(request)
            (first if n < SERVICES else later).append((time.perf_counter() - began) * 1000)
            assert answer.granted
        spread("permit of a ledger that sleeps (start, read back, grant)", first)
        spread("permit of a ledger that is awake", later, "under 50 ms")
        show("permits granted", str(PERMITS))


def main() -> None:
    with_record(measure)


if __name__ == "__main__":
    main()
