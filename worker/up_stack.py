"""Which servers are ours, and how the supervisor shall run them and our own processes."""

import asyncio
import functools
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from adapters.database.migrate import migrate
from adapters.database.server import PostgresServer
from adapters.engine import server as engine
from config import temporal
from config.settings import Settings
from domain.engine import TASK_QUEUE_CONTROL, TASK_QUEUE_SESSIONS
from domain.errors import EngineUnavailableError, RecordUnavailableError
from worker import beat, up_environment
from worker.supervisor import OWN_NAME
from worker.supervisor_child import ChildSpec, Question
from worker.supervisor_log import CombinedLog
from worker.supervisor_probes import TemporalProbe, http_answers, postgres_answers
from worker.up_endpoints import Endpoints
from worker.up_welcome import Offer

ROOT = Path(__file__).resolve().parents[1]  # `python -m gateway` finds our modules from here
_SERVER_PATIENCE_S = 30.0


class Stack:
    """The servers and processes of one `up`: decides which are ours, and describes them to the supervisor."""

    def __init__(self, settings: Settings, log: CombinedLog) -> None:
        self._log = log
        self._postgres = None if settings.database_url else PostgresServer(settings.home)
        self._binary: Path | None = None
        self.settings = settings
        self.offer = Offer()
        self.temporal = TemporalProbe(settings)

    async def __aenter__(self) -> Self:
        try:
            await self._prepare_postgres()
            await self._prepare_temporal()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._postgres is not None:
            self._postgres.release()

    @property
    def database_url(self) -> str:
        """The record, ours or the given one."""
        if self._postgres is not None:
            return self._postgres.url
        return self.settings.database_url.get_secret_value() if self.settings.database_url else ""

    @property
    def endpoints(self) -> Endpoints:
        """What `run/endpoints.json` says."""
        s = self.settings
        return Endpoints(
            database_url=self.database_url,
            temporal_address=temporal.address(s),
            temporal_ui=f"http://127.0.0.1:{s.temporal_ui_port}" if self._binary else "",
            web_url=s.web_url,
            scripted=s.scripted,
            pid=os.getpid(),
        )

    async def postgres_answers(self) -> bool:
        """Whether the record can be reached."""
        return await postgres_answers(self.database_url)

    def specs(self) -> tuple[ChildSpec, ...]:
        """Our own servers, then our own processes."""
        servers = [*self._postgres_spec(), *self._temporal_spec()]
        below = tuple(spec.name for spec in servers)
        inside = self.settings.model_copy(
            update={"database_url": SecretStr(self.database_url), "temporal_address": temporal.address(self.settings)}
        )
        running = (
            *servers,
            self._python("gateway", up_environment.for_gateway(inside), self._gateway_ready, below),
            self._python("worker", up_environment.for_worker(inside), self._worker_ready, (*below, "gateway"), 25.0),
        )
        if self.settings.gateway_url:  # the dashboard is where the other gateway is
            return running
        return (
            *running,
            self._python("web", up_environment.for_web(inside), self._web_ready, below),
        )

    # ------------------------------------------------------------ before the start

    async def _prepare_postgres(self) -> None:
        if self._postgres is not None:
            await self._postgres.prepare()
            self._say(f"database: {self._postgres.binaries}")
            if self._postgres.note:
                self._say(self._postgres.note)
            return
        if not await within(_SERVER_PATIENCE_S, self.postgres_answers):
            raise RecordUnavailableError(
                "no Postgres answers at DATABASE_URL; start it, correct the address, or unset it"
            )
        if not self.settings.gateway_url:  # it is another machine's record
            await self._migrate()

    async def _prepare_temporal(self) -> None:
        if not self.settings.temporal_address:
            self._binary = await engine.find(self.settings, self._say)
            return
        if not await within(_SERVER_PATIENCE_S, self.temporal.answers):
            raise EngineUnavailableError(
                f"no Temporal answers at {self.settings.temporal_address}; start it, correct TEMPORAL_ADDRESS, or unset it"
            )

    async def _migrate(self) -> None:
        for name in await migrate(self.database_url):
            self._say(f"database brought to {name}")

    def _say(self, text: str) -> None:
        self._log.write(OWN_NAME, text)

    # ------------------------------------------------------------ descriptions

    def _postgres_spec(self) -> tuple[ChildSpec, ...]:
        server = self._postgres
        if server is None:
            return ()
        return (
            ChildSpec(
                name="postgres",
                argv=lambda: server.argv,
                environment=server.environment,
                spawn_options=lambda: server.spawn_options,
                prepare=server.prepare,
                ready=lambda _pid: server.ready(),
                on_ready=self._migrate,
                stop_signal=signal.SIGINT,
                death_signal=signal.SIGINT,
                stop_timeout_s=30.0,
            ),
        )

    def _temporal_spec(self) -> tuple[ChildSpec, ...]:
        binary = self._binary
        if binary is None:
            return ()
        folder = self.settings.home / "temporal"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        address, namespace = temporal.address(self.settings), self.settings.temporal_namespace
        return (
            ChildSpec(
                name="temporal",
                argv=engine.dev_server_argv(binary, self.settings, folder / "temporal.db"),
                environment=up_environment.for_server(),
                cwd=folder,
                ready=lambda _pid: self.temporal.answers(),
                on_ready=functools.partial(engine.prepare, address, binary, namespace),
                shown=str if self.settings.log_json else readable,
            ),
        )

    def _python(
        self,
        name: str,
        environment: dict[str, str],
        ready: Question,
        depends_on: tuple[str, ...],
        stop_timeout_s: float = 10.0,
    ) -> ChildSpec:
        return ChildSpec(
            name=name,
            argv=(sys.executable, "-m", name),
            environment=environment,
            cwd=ROOT,
            ready=ready,
            depends_on=depends_on,
            alive=functools.partial(self._alive, self._worker_alive if name == "worker" else ready),
            prepare=self._servers_answer,
            stop_timeout_s=stop_timeout_s,
            shown=self.offer.hear if name == "web" else str,
        )

    async def _alive(self, question: Question, pid: int) -> bool:
        """While record or engine are away, a process may have good reason not to answer."""
        return await question(pid) or not (await self.postgres_answers() and await self.temporal.answers())

    async def _servers_answer(self) -> None:
        """A process that starts without record or engine would only crash; an outage may last."""
        while not (await self.postgres_answers() and await self.temporal.answers()):
            await asyncio.sleep(0.25)

    async def _gateway_ready(self, _pid: int) -> bool:
        return await http_answers("http://gateway/healthz", socket=self.settings.home / "run" / "gateway.sock")

    async def _worker_ready(self, pid: int) -> bool:
        if self.settings.gateway_url:
            return await self.temporal.polled_by(pid, TASK_QUEUE_SESSIONS, activities=True)
        return await self.temporal.polled_by(pid, TASK_QUEUE_CONTROL)

    async def _worker_alive(self, _pid: int) -> bool:
        return beat.young(self.settings.home)

    async def _web_ready(self, _pid: int) -> bool:
        return await http_answers(f"{self.settings.web_url}/healthz")


def readable(line: str) -> str:
    """One of Temporal's JSON lines, as a person wants it: level, message, what it is about. Empty: not worth a line."""
    try:
        entry: dict[str, object] = json.loads(line)
        level, message = str(entry.pop("level")).lower(), str(entry.pop("msg"))
    except (ValueError, KeyError, AttributeError, TypeError):
        return line
    # At every stop its own inner workers lose their server; our probe would tell if that happened at another time.
    if message == "network dial error" or str(entry.get("TaskQueue", "")).startswith("temporal-sys-"):
        return ""
    about = " ".join(f"{key}={str(entry[key])[:200]!r}" for key in ("error", "address", "TaskQueue") if key in entry)
    return f"{level:<7} {message} {about}".rstrip()


async def within(seconds: float, question: Callable[[], Awaitable[bool]]) -> bool:
    """Ask until yes or until the time is over."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await question():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.25)
    return True
