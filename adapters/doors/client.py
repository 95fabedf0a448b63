"""Client of the gateway's admin socket."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp

from adapters.doors.paths import reachable
from domain.errors import FatalError, TransientError
from domain.examination import Examination
from domain.ids import SessionId
from domain.ports import Door

_REQUEST_S = 10.0
_TRY_S = 30.0
_PAUSE_S = 0.2


class GatewayDoors:
    """Implements domain.ports.Doors. A gateway that restarts is waited for, up to `patience_s` seconds."""

    def __init__(self, admin_socket: Path, patience_s: float = 30.0) -> None:
        self._path = admin_socket
        self._patience_s = patience_s

    async def open(self, door: Door) -> None:
        """Open, or refresh, a door. Raises FatalError where the gateway refuses, TransientError where it is away."""
        await self._patiently("PUT", f"/doors/{door.session}", door.model_dump_json().encode())

    async def close(self, session: SessionId) -> None:
        """Close a door; one that is closed already is fine. Raises TransientError where the gateway is away."""
        await self._patiently("DELETE", f"/doors/{session}", b"")

    async def opened(self) -> tuple[SessionId, ...]:
        """The sessions whose doors are open, for sweeps."""
        answer = await self._patiently("GET", "/doors", b"")
        return tuple(SessionId(str(s)) for s in answer.get("sessions", []))

    async def try_credential(self) -> Examination:
        """Whether the model API takes the owner's credential. Costs nothing."""
        return Examination.model_validate(await self._patiently("POST", "/credential/try", b"", _TRY_S))

    async def _patiently(self, method: str, path: str, body: bytes, timeout_s: float = _REQUEST_S) -> dict[str, Any]:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                status, answer = await self._once(method, path, body, timeout_s)
            except (aiohttp.ClientError, TimeoutError, OSError) as e:
                trouble = f"the gateway does not answer at {self._path} ({type(e).__name__})"
            else:
                if status < 300:
                    return answer
                trouble = f"the gateway answered {status}: {answer.get('error', '')}"
                if status < 500:
                    raise FatalError(trouble)
            if time.monotonic() >= deadline:
                raise TransientError(f"{trouble}; it is restarted by `tiercel up`, see its log", retry_after_s=5)
            await asyncio.sleep(_PAUSE_S)

    async def _once(self, method: str, path: str, body: bytes, timeout_s: float) -> tuple[int, dict[str, Any]]:
        with reachable(self._path) as spelled:
            connector = aiohttp.UnixConnector(path=spelled, force_close=True)
            timeout = aiohttp.ClientTimeout(total=timeout_s)
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as http,
                http.request(method, f"http://gateway{path}", data=body) as answer,
            ):
                return answer.status, await answer.json()
