"""`python -m gateway` as a process of its own, killed and started again as tests please."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from adapters.doors import GatewayDoors
from tests.support.gateway import API_KEY


@dataclass
class GatewayProcess:
    """Settings come by environment only, as from `tiercel up`."""

    home: Path
    model_url: str
    temporal_address: str = "127.0.0.1:1"
    database_url: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.home / "gateway.log"
        self.home.mkdir(parents=True, exist_ok=True)

    @property
    def doors(self) -> GatewayDoors:
        return GatewayDoors(self.home / "run" / "gateway.sock", patience_s=20)

    def env(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if n in {"PATH", "HOME", "LANG"}}
        ours = {
            "TIERCEL_HOME": str(self.home),
            "TIERCEL_MODEL_URL": self.model_url,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "ANTHROPIC_API_KEY": API_KEY.secret.get_secret_value(),
        }
        return kept | ours | ({"DATABASE_URL": self.database_url} if self.database_url else {}) | self.extra

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", env=self.env(), stdout=log, stderr=log, start_new_session=True
            )
        await self.doors.opened()

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        return await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> int:
        assert self.process
        if self.process.returncode is None:
            self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), 15)
