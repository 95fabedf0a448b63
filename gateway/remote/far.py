"""The other gateway, seen from a machine that only runs sessions: connections to it, and what it is asked."""

import asyncio
import json
import ssl
from typing import Any, cast

from pydantic import ValidationError

from config import remote
from config.remote_tls import client_tls
from config.settings import Settings
from domain.errors import ConfigurationError, TransientError
from domain.examination import Examination
from domain.ids import SessionId
from domain.ports import Door

Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CONNECT_S = 10.0
ANSWER_S = 20.0
_MAX_ANSWER = 1 << 20


class TurnedAwayError(Exception):
    """The other gateway does not know what it was shown."""


class Far:
    """One gateway elsewhere. What is shown to it is never part of a message or an exception."""

    def __init__(self, url: str, secret: str, tls: ssl.SSLContext | None) -> None:
        self.url = url
        self._host, self._port, _ = remote.far_place(url)
        self._secret = secret
        self._tls = tls

    @classmethod
    def of(cls, settings: Settings) -> "Far":
        """Raises ConfigurationError for a missing secret and a file that holds no certificate."""
        return cls(settings.gateway_url, settings.shared_secret(), client_tls(settings))

    async def door(self, token: str) -> Way:
        """A connection that is as one to the session's socket. Raises TurnedAwayError, OSError."""
        return await self._connect("door", token)

    async def open(self, door: Door, token: str) -> str:
        """Open or refresh a door; its new token, or "" where `token` stays.

        Raises ConfigurationError where the other gateway refuses, TransientError where it is away.
        """
        body = {"door": door.model_dump(mode="json"), "token": token}
        return str((await self._ask("PUT", f"/doors/{door.session}", body)).get("token", ""))

    async def close(self, session: SessionId, token: str) -> bool:
        """Close a door that is ours. Raises as `open`."""
        return bool((await self._ask("DELETE", f"/doors/{session}", {"token": token})).get("closed"))

    async def bait_seen(self, session: SessionId) -> str:
        """Where the session's bait was seen outside, which stopped it; "" where it was not. Raises as `open`."""
        return str((await self._ask("GET", f"/doors/{session}", {})).get("seen", ""))

    async def try_credential(self) -> Examination:
        """Whether the model API takes the credential over there. Raises as `open`."""
        try:
            return Examination.model_validate(await self._ask("POST", "/credential/try", {}))
        except ValidationError as e:
            raise TransientError("the other gateway's answer is not understood; run the same version there") from e

    async def known(self) -> None:
        """Whether we are known there. Raises as `open`."""
        await self._ask("GET", "/doors", {})

    async def _ask(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            status, answer = await self._once(method, path, json.dumps(body).encode())
        except TurnedAwayError:
            raise ConfigurationError(
                f"the gateway at {self.url} does not know this machine; give both the same TIERCEL_GATEWAY_SECRET"
            ) from None
        except ssl.SSLCertVerificationError as e:
            raise ConfigurationError(
                f"the certificate of {self.url} is not trusted ({e.verify_message}); set TIERCEL_GATEWAY_CA to its file,"
                " or correct the name in TIERCEL_GATEWAY_URL"
            ) from e
        except (OSError, asyncio.IncompleteReadError, ValueError) as e:
            why = (getattr(e, "strerror", "") or type(e).__name__) if isinstance(e, OSError) else type(e).__name__
            raise TransientError(
                f"the gateway at {self.url} does not answer ({why}); start it there, or ask `tiercel doctor` here",
                retry_after_s=2,
            ) from e
        if status >= 500:
            raise TransientError(f"the gateway at {self.url} answered {status}: {answer.get('error', '')}")
        if status >= 300:
            raise ConfigurationError(f"the gateway at {self.url} answered {status}: {answer.get('error', '')}")
        return answer

    async def _once(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        reader, writer = await self._connect("admin", self._secret)
        try:
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            async with asyncio.timeout(ANSWER_S):
                writer.write(head.encode() + body)
                await writer.drain()
                status = int((await reader.readline()).split(b" ")[1])
                length = 0
                while line := (await reader.readline()).strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.strip().lower() == b"content-length" else length
                answer: object = json.loads(await reader.readexactly(min(length, _MAX_ANSWER)) or b"{}")
        except IndexError as e:
            raise ValueError("no HTTP") from e
        finally:
            writer.close()
        return status, cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}

    async def _connect(self, where: str, shown: str) -> Way:
        async with asyncio.timeout(CONNECT_S):
            name = self._host if self._tls is not None else None
            reader, writer = await asyncio.open_connection(
                self._host, self._port, ssl=self._tls, server_hostname=name, limit=1 << 17
            )
            try:
                line = f"CONNECT {where} HTTP/1.1\r\nProxy-Authorization: Bearer {shown}\r\n\r\n"
                writer.write(line.encode())
                await writer.drain()
                said = await reader.readuntil(b"\r\n\r\n")
            except BaseException as e:
                writer.transport.abort()
                if isinstance(e, asyncio.IncompleteReadError):
                    raise ConnectionResetError("it hung up") from e
                if isinstance(e, asyncio.LimitOverrunError):
                    raise ConnectionRefusedError("this is no gateway") from e
                raise
        if said.split(b" ")[1:2] == [b"200"]:
            return reader, writer
        writer.transport.abort()
        if said.split(b" ")[1:2] == [b"407"]:
            raise TurnedAwayError
        raise ConnectionRefusedError("this is no gateway")
