"""The manager: units by name, and the control protocol (adapters/actions/unit_client.py says what it is)."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from demo.host.definition import Definition
from demo.host.tree import Pid
from demo.host.unit import FailedError, RefusedError, Unit, environment

LINE_BYTES = 65_536


class Manager:
    """Owns all units of one root folder."""

    def __init__(self, root: Path, definitions: tuple[Definition, ...], say: Callable[[str], None], lock: int) -> None:
        self._say = say
        logs = root / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("reaper.py"))],
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(lock,),  # the folder is free only when the last of its processes is gone
            text=True,
        )
        found = environment(root)
        self.units = {d.name: Unit(d, logs / f"{d.name}.log", found, self._register) for d in definitions}

    async def start_all(self) -> None:
        """In declared order. One that does not come up stays down; the others go on."""
        for unit in self.units.values():
            async with unit.lock:
                try:
                    self._say(await unit.start())
                except (FailedError, RefusedError) as e:
                    self._say(str(e))

    async def stop_all(self) -> None:
        """In reverse order."""
        for unit in reversed(self.units.values()):
            async with unit.lock:
                self._say(await unit.stop())

    def close(self) -> None:
        """Let the reaper end what is left, and go."""
        if self._reaper.stdin is not None:
            self._reaper.stdin.close()
        self._reaper.wait(10)

    async def serve(self, socket: Path) -> asyncio.Server:
        """Only the manager's own user may enter."""
        socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._connection, str(socket), limit=LINE_BYTES)
        socket.chmod(0o600)
        return server

    # ------------------------------------------------------------ protocol

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            op, name = str(request["op"]), str(request.get("unit", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            return {"ok": False, "code": "bad_request", "message": "send one JSON object with op and unit"}
        if op == "list":
            rows = [{"unit": n, "about": u.definition.about, **u.state().model_dump()} for n, u in self.units.items()]
            return {"ok": True, "units": rows}
        unit = self.units.get(name)
        if unit is None:
            return {"ok": False, "code": "unknown_unit", "message": f"there is no unit {name}"}
        await unit.settle()
        if op == "state":
            return {"ok": True, "state": unit.state().model_dump()}
        if op == "logs":
            return {"ok": True, "text": unit.tail(max(1, min(int(request.get("lines", 100)), 2000)))}
        if op == "test_config":
            invalid = await unit.test_config()
            return {"ok": True, "valid": not invalid, "message": invalid}
        return await self._act(unit, op, str(request.get("expect", "")))

    async def _act(self, unit: Unit, op: str, expect: str) -> dict[str, Any]:
        orders: dict[str, Callable[[], Awaitable[str]]] = {
            "start": unit.start,
            "stop": unit.stop,
            "restart": unit.restart,
            "recreate": unit.recreate,
            "reload": unit.reload,
            "pause": unit.pause,
            "unpause": unit.unpause,
        }
        order = orders.get(op)
        if order is None:
            return {"ok": False, "code": "bad_request", "message": f"there is no operation {op}"}
        async with unit.lock:
            identity = unit.state().identity
            if expect and identity and identity != expect:
                message = f"nothing was done: {unit.definition.name} is another process by now ({identity})"
                return {"ok": False, "code": "refused", "message": message, "state": unit.state().model_dump()}
            try:
                message, code = await order(), ""
            except RefusedError as e:
                message, code = str(e), "refused"
            except FailedError as e:
                message, code = str(e), "failed"
            self._say(f"{op} {unit.definition.name}: {message}")
            return {"ok": not code, "code": code, "message": message, "state": unit.state().model_dump()}

    def _register(self, pid: Pid) -> None:
        if self._reaper.stdin is not None:
            self._reaper.stdin.write(f"{pid.pid} {pid.start}\n")
            self._reaper.stdin.flush()
