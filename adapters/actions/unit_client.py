"""Speaks to a node's service manager: one JSON line there, one back, over a Unix socket.

Request: {"op": "restart", "unit": "web", "expect": "<identity>"}; operations are list, state, start, stop, restart,
reload, unpause, pause, recreate, test_config and logs. Answer: {"ok": true, ...} or {"ok": false, "code": "...",
"message": "..."}; codes are unknown_unit, refused (nothing was done), failed (it was tried) and bad_request.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.action import TargetState
from domain.errors import TransientError, UnknownOutcomeError

ANSWER_BYTES = 1 << 20
LOOK_TIMEOUT_S = 10.0


class NotReachedError(TransientError):
    """The manager was not reached, so nothing was asked of it."""


class UnitClient:
    """All service managers, by node."""

    def __init__(self, sockets: Mapping[str, Path]) -> None:
        self._sockets = dict(sockets)

    def knows(self, node: str) -> bool:
        """Whether a manager is configured for this node."""
        return node in self._sockets

    async def look(self, node: str, unit: str) -> TargetState | None:
        """The unit as it is now; None where the manager knows no such unit. Raises TransientError."""
        answer = await self.ask(node, "state", unit)
        if not answer.get("ok"):
            if answer.get("code") == "unknown_unit":
                return None
            raise TransientError(f"the service manager cannot tell: {answer.get('message')}")
        return TargetState.model_validate(answer.get("state"))

    async def ask(self, node: str, op: str, unit: str, **fields: object) -> dict[str, Any]:
        """A question without effect. Raises TransientError where no answer comes."""
        try:
            return await self._call(node, {"op": op, "unit": unit, **fields}, LOOK_TIMEOUT_S)
        except UnknownOutcomeError as e:
            raise TransientError(str(e)) from e

    async def act(self, node: str, op: str, unit: str, timeout_s: float, **fields: object) -> dict[str, Any]:
        """An order, sent once. Raises NotReachedError (not sent) or UnknownOutcomeError (sent, no answer)."""
        return await self._call(node, {"op": op, "unit": unit, **fields}, timeout_s)

    async def _call(self, node: str, request: dict[str, object], timeout_s: float) -> dict[str, Any]:
        path = self._sockets.get(node)
        if path is None:
            raise NotReachedError(f"no service manager is configured for node {node}; set TIERCEL_UNITS_SOCKET")
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(str(path), limit=ANSWER_BYTES)
        except (OSError, TimeoutError) as e:
            raise NotReachedError(f"the service manager of node {node} does not answer at {path} ({e})") from e
        try:
            async with asyncio.timeout(timeout_s):
                writer.write(json.dumps(request).encode() + b"\n")
                await writer.drain()
                return _parse(await reader.readline())
        except (OSError, TimeoutError, ValueError) as e:
            words = str(e) or type(e).__name__
            raise UnknownOutcomeError(
                f"the service manager of node {node} broke off before it answered ({words})"
            ) from e
        finally:
            writer.close()


def _parse(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise ValueError("the answer is cut")
    answer: dict[str, Any] = json.loads(line)
    return answer
