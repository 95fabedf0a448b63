"""Runs the real Claude Code CLI against a scripted model and a small door of our own, all on loopback."""

import asyncio
import json
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from claude.argv import DOOR_URL, Command, SessionPlan, command
from claude.events import Event, Init, Result
from claude.gate import gate_answer
from claude.result import Verdict, classify
from claude.stream import LineSplitter, StreamReader
from config.claude_cli import ClaudeBinary, find
from config.settings import Settings
from demo.model import Running, Scenario, serve
from domain.ids import SessionId
from domain.ports import EndReason, ExitState
from domain.session import TierReport, TierSettings

TIER_1 = TierSettings(tier=1, name="observe", model="claude-haiku-5-5", timeout_s=60, max_turns=12, budget_usd=1.0)
TIER_2 = TierSettings(tier=2, name="investigate", model="claude-sonnet-5-5", timeout_s=60, max_turns=12, budget_usd=5.0)

GateReply = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
GOOD_REPORT = {
    "summary": "done",
    "services": [],
    "actions_taken": [],
    "escalate": False,
    "escalate_reason": "",
    "handoff": "",
    "memories": [],
}


def binary() -> ClaudeBinary:
    """The CLI that the lock file brings."""
    return find(Settings())


def decide(decision: str, reason: str = "by the test") -> GateReply:
    """A gate that always answers the same."""

    async def reply(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(gate_answer(decision, reason))  # pyright: ignore[reportArgumentType]

    return reply


@dataclass
class Door:
    """What a session's only address answers: model, MCP, gate, telemetry. Counts what came."""

    model_url: str
    gate: GateReply = field(default_factory=lambda: decide("allow"))
    offer_tools: bool = True
    gate_calls: list[dict[str, Any]] = field(default_factory=list)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    before_tool: Callable[[], Awaitable[object]] | None = None
    spans: list[bytes] = field(default_factory=list)
    url: str = ""

    def app(self) -> web.Application:
        app = web.Application(client_max_size=32 << 20)
        app.router.add_route("*", "/model/{path:.*}", self._model)
        app.router.add_post("/gate", self._gate)
        app.router.add_post("/otel/v1/traces", self._traces)
        app.router.add_post("/otel/{path:.*}", _accept)
        app.router.add_post("/mcp", self._mcp)
        app.router.add_route("*", "/mcp", _not_allowed)
        return app

    async def _model(self, http: web.Request) -> web.StreamResponse:
        headers = {
            k: v
            for k, v in http.headers.items()
            if k.lower() not in {"host", "content-length", "connection", "transfer-encoding"}
        }
        url = f"{self.model_url}/{http.match_info['path']}"
        async with (
            ClientSession(auto_decompress=False) as client,
            client.request(http.method, url, params=http.query, data=await http.read(), headers=headers) as upstream,
        ):
            passed = {
                k: v for k, v in upstream.headers.items() if k.lower() in {"content-type", "retry-after", "request-id"}
            }
            response = web.StreamResponse(status=upstream.status, headers=passed)
            await response.prepare(http)
            async for piece in upstream.content.iter_any():
                await response.write(piece)
            return response

    async def _gate(self, http: web.Request) -> web.StreamResponse:
        call = await http.json()
        self.gate_calls.append(call)
        return await self.gate(http, call)

    async def _traces(self, http: web.Request) -> web.Response:
        self.spans.append(await http.read())
        return web.Response()

    async def _mcp(self, http: web.Request) -> web.Response:
        if not self.offer_tools:
            return web.Response(status=503)
        message = await http.json()
        result = self._mcp_result(message)
        if message.get("method") == "tools/call" and self.before_tool:
            await self.before_tool()
        if "id" not in message:
            return web.Response(status=202)
        if result is None:
            error = {"code": -32601, "message": "no such method"}
            return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error})
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def _mcp_result(self, message: dict[str, Any]) -> dict[str, Any] | None:
        match message.get("method"):
            case "initialize":
                version = message["params"]["protocolVersion"]
                return {
                    "protocolVersion": version,
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "tiercel", "version": "1"},
                }
            case "tools/list":
                schema = {"type": "object", "properties": {}, "additionalProperties": True}
                return {
                    "tools": [
                        {"name": n, "description": n, "inputSchema": schema}
                        for n in ("services", "probe", "logs", "act")
                    ]
                }
            case "tools/call":
                self.tool_calls.append(message["params"])
                text = f"{message['params']['name']} was done"
                return {"content": [{"type": "text", "text": text}]}
            case _:
                return None


async def _accept(_: web.Request) -> web.Response:
    return web.Response()


async def _not_allowed(_: web.Request) -> web.Response:
    return web.Response(status=405)


@dataclass
class Ended:
    """One finished process."""

    events: list[Event]
    exit: ExitState
    verdict: Verdict
    init: Init | None
    result: Result | None
    lines: list[str]
    seconds: float

    def of(self, kind: type[Any]) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind)]


@dataclass
class Bench:
    """A folder, a scripted model and a door; runs processes of the real CLI."""

    folder: Path
    model: Running
    door: Door
    cli: ClaudeBinary = field(default_factory=binary)

    def plan(self, **changes: Any) -> SessionPlan:
        tier = changes.get("tier", TIER_2)
        base: dict[str, Any] = {
            "session": SessionId(str(uuid.uuid4())),
            "tier": tier,
            "system_prompt": f"Tiercel tier: {tier.tier}\nYou look after services.",
            "prompt": "look at local/web",
            "report_schema": TierReport.model_json_schema(),
            "credential_kind": "api_key",
            "claude_config": self.folder / "config",
        }
        return SessionPlan(**(base | changes))

    async def start(
        self, plan: SessionPlan | Command, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        built = at_door(plan if isinstance(plan, Command) else command(plan), self.door.url)
        work = cwd or self.folder / "work"
        work.mkdir(exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            self.cli.path,
            *built.argv,
            env=built.env | (env or {}),
            cwd=work,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 24,
            start_new_session=True,
        )
        assert process.stdin
        process.stdin.write(built.stdin.encode())
        process.stdin.close()
        return process

    async def run(
        self, plan: SessionPlan | Command, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> Ended:
        return await self.finish(await self.start(plan, cwd, env))

    async def finish(self, process: asyncio.subprocess.Process, reason: EndReason = "exited") -> Ended:
        """Read to the end. A process that does not end within 50 s is killed, and the test fails by its outcome."""
        began = time.monotonic()
        try:
            out, err = await asyncio.wait_for(process.communicate(), 50)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            out, err = await process.communicate()
        splitter, reader = LineSplitter(), StreamReader()
        lines = splitter.feed(out)
        events = [event for line in lines for event in reader.read(line)]
        ended = ExitState(code=process.returncode, reason=reason, stderr_tail=err.decode(errors="replace")[-4000:])
        verdict = classify(reader.result, ended, reader.init, reader.last_retry)
        return Ended(events, ended, verdict, reader.init, reader.result, lines, time.monotonic() - began)


def at_door(built: Command, url: str) -> Command:
    """The command with the door's real address, as an engine without a network of its own does it."""
    moved = json.loads(built.model_dump_json().replace(DOOR_URL, url))
    return Command.model_validate(moved)


@asynccontextmanager
async def bench(folder: Path, scenario: Scenario, **door: Any) -> AsyncIterator[Bench]:
    """Everything that a process needs, closed afterwards."""
    model = await serve(scenario)
    made = Door(model_url=model.url, **door)
    runner = web.AppRunner(made.app(), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield Bench(folder, model, made)
    finally:
        await runner.cleanup()
        await model.close()
