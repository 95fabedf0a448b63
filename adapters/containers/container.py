"""Sessions as containers without a network. The image's entry is the same runner as on the host."""

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound

from adapters.containers import attempt, container_spec, files, host, image, spares
from adapters.containers.container_spares import ANYBODY, ContainerSpares, start
from adapters.containers.docker_host import DockerHost
from domain.errors import ConfigurationError, FatalError, TransientError
from domain.ids import SessionId
from domain.ports import EndReason, ExitState, Handle, Launch, SessionFolder
from domain.session import Isolation, Limits

_INSPECT_EVERY_S = 2.0
_KILL_S = 5.0
_POLL_S = 0.05
_CONFLICT = 409
_LOOKED_S = 6.0  # the keeper of spares looks more often
_BUILD_IT = "build it with `tiercel image build`"


class ContainerEngine:
    """The `container` engine. Containers are found by name and label, never kept in memory."""

    name = "container"

    def __init__(
        self,
        sessions: Path,
        installation: str,
        image: str,
        binary: Path,
        docker_host: str = "",
        lease_s: float = attempt.LEASE_S,
        sweep_age_s: float = attempt.SWEEP_AGE_S,
        code: Path | None = None,
    ) -> None:
        self._code = code or container_spec.CODE
        self._sessions = sessions
        self._installation = installation
        self._image = image
        self._binary = binary
        self._lease_s = lease_s
        self._sweep_age_s = sweep_age_s
        self._docker = DockerHost(docker_host)
        self._spares = ContainerSpares(self._docker, sessions, installation, binary, self._code, lease_s)
        self._version: tuple[float, str] = (float("-inf"), "")  # when an engine answered, and which
        self._image_id = ""
        self._rootless: bool | None = None
        self._inspected: dict[str, float] = {}

    async def isolation(self) -> Isolation:
        """Asked anew each time: an engine may be stopped, an image removed. The keeper's last look is fresh enough."""
        version = self._version[1] if time.monotonic() - self._version[0] < _LOOKED_S else await self._look()
        if not version:
            return self._no("no Docker engine answers; start it, or use TIERCEL_ENGINE=process")
        state, self._image_id = await image.look(self._docker, self._image)
        if state in {"no engine", "missing", "older"}:
            what = {"missing": "is missing", "older": "was made by another version"}.get(state, "cannot be looked at")
            return self._no(f"the session image {self._image} {what}; {_BUILD_IT}")
        return Isolation(
            engine=self.name,
            isolated=True,
            how=f"Docker {version}, no network, image {self._image}",
        )

    async def _look(self) -> str:
        """The version of the engine that answers; "" where none does."""
        info = await self._docker.info()
        if info is None:
            return ""
        self._rootless = any("rootless" in str(option) for option in info.get("SecurityOptions") or ())
        return str(info.get("ServerVersion", "?"))

    async def start_or_attach(self, launch: Launch) -> Handle:
        """See `domain.ports.Engine`. Raises ConfigurationError without the image, TransientError without an engine."""
        try:
            identity = await self._given(launch) or await self._running(launch)
        except ImageNotFound as e:
            raise ConfigurationError(f"The session image {self._image} is missing; {_BUILD_IT}") from e
        except APIError as e:  # an OSError too, so before it
            raise FatalError(f"The Docker engine refused the session's container: {e.explanation or e}") from e
        except OSError as e:
            raise attempt.cannot_prepare(launch, e) from e
        return Handle(
            session=launch.session,
            attempt=launch.attempt,
            engine=self.name,
            identity=identity,
            folder=launch.folder,
        )

    async def read(self, handle: Handle, offset: int, limit: int = 1 << 20) -> bytes:
        """See `domain.ports.Engine`."""
        return await asyncio.to_thread(attempt.read, handle, offset, limit)

    async def exited(self, handle: Handle) -> ExitState | None:
        """See `domain.ports.Engine`. The engine is asked at the end, and now and then whether the container lives.

        The runner's record is not the end: it and the container's first process are still on their way out then.
        """
        folder = handle.folder.attempt(handle.attempt)
        if attempt.on_host(folder):
            return host.exited(handle)
        ended = attempt.ended(folder)
        if ended is None and time.monotonic() - self._inspected.get(handle.identity, 0.0) < _INSPECT_EVERY_S:
            return None
        self._inspected[handle.identity] = time.monotonic()
        state = await self._state(handle)
        if state is not None and (state["Running"] or (ended is None and state["Status"] == "created")):
            return None  # also after the runner's record: whether memory ran out is known when the container is down
        return self._conclude(folder, state)

    async def stop(self, handle: Handle, grace_s: float = 3.0, reason: EndReason = "stopped") -> ExitState:
        """See `domain.ports.Engine`."""
        folder = handle.folder.attempt(handle.attempt)
        if attempt.on_host(folder):
            return await host.stop(handle, grace_s, reason)
        container = await self._find(handle.session, handle.attempt)
        if container is not None and container.status in {"running", "paused", "restarting", "created"}:
            if attempt.ended(folder) is None:
                with contextlib.suppress(OSError):  # the session's folder may be full, or made unwritable by it
                    await asyncio.to_thread(attempt.ask_to_stop, folder, grace_s, reason)
            await self._end(container, grace_s)
        self._inspected.pop(handle.identity, None)
        if attempt.ended(folder) is None and container is not None:
            await asyncio.to_thread(attempt.record_end, folder, 137, reason, "")
        state = await self.exited(handle)
        if state is None:
            raise TransientError(
                f"The container of session {handle.session} does not end; look at it with `docker ps`."
            )
        return state

    async def sweep(self, alive: frozenset[SessionId]) -> tuple[SessionId, ...]:
        """See `domain.ports.Engine`. Containers of ended sessions are removed; nothing else removes them."""
        swept = list(await host.sweep(self._sessions, alive, self._sweep_age_s))
        wanted = {"label": f"{container_spec.LABEL_INSTALLATION}={self._installation}"}
        found = await self._docker.call(
            lambda: self._docker.client().containers.list(all=True, filters=wanted, ignore_removed=True)
        )
        for container in found:
            owner = self._spares.owner(container)
            if owner is None:
                continue
            session = SessionId(owner[0])
            folder = self._sessions / session / "attempts" / owner[1]
            if session in alive or attempt.age_s(folder) < self._sweep_age_s:
                continue
            if container.status in {"running", "paused", "restarting"}:
                over = attempt.ended(folder) is not None  # its runner is just leaving
                await self._end(container, 1.0)
                swept += [] if over else [session]
            await self._remove(container)
            made_as = str(container.labels.get(container_spec.LABEL_SESSION, ""))
            if spares.is_spare(made_as):
                await asyncio.to_thread(spares.remove, spares.folder_of(self._sessions, made_as))
        return tuple(dict.fromkeys(swept))

    # ------------------------------------------------------------ spares

    async def spare_key(self, limits: Limits, read_only: tuple[Path, ...]) -> str:
        """What a waiting container must be made like now; "" where none can be made. Also a look at the engine."""
        self._version = (time.monotonic(), await self._look())
        if not (await self.isolation()).isolated:
            return ""
        return self._spares.key(self._wanted(limits, read_only), self._image_id, await self._uid())

    async def make_spare(self, limits: Limits, read_only: tuple[Path, ...]) -> None:
        """Start a container that waits. Raises TransientError where it does not come to that."""
        await self._spares.make(limits, read_only, self._image_id, await self._uid())

    async def end_spare(self, folder: SessionFolder) -> None:
        """End a container that waits, or what is left of one."""
        await self._spares.end(folder)

    def _wanted(self, limits: Limits, read_only: tuple[Path, ...]) -> Launch:
        return container_spec.waiting(limits, read_only, SessionFolder(root=self._sessions))

    def _no(self, why: str) -> Isolation:
        return Isolation(engine=self.name, isolated=False, how=f"not isolated: {why}")

    # ------------------------------------------------------------ start

    async def _given(self, launch: Launch) -> str:
        """The container that waited and is the attempt's now, woken; "" where it is to be started cold."""
        place, uid = launch.folder.attempt(launch.attempt), await self._uid()
        if launch.attempt == 1 and self._image_id:  # a later one finds folders that no container waits with
            await asyncio.to_thread(self._take, launch, uid)
        spare = spares.read(place)
        if spare is None:
            return ""
        woken = attempt.started(place) is None and await asyncio.to_thread(self._spares.hand_over, launch, spare, uid)
        if not woken and attempt.started(place) is None:
            await asyncio.to_thread(spares.forget, place)
            return ""
        await self._spares.name(launch, spare)
        return spare.identity

    def _take(self, launch: Launch, uid: int) -> bool:
        return spares.take(self._sessions, launch, self._spares.key(launch, self._image_id, uid))

    async def _running(self, launch: Launch) -> str:
        """The attempt's container, started cold; "" where it ran and was removed."""
        found = await self._find(launch.session, launch.attempt)
        if found is None and attempt.started(launch.folder.attempt(launch.attempt)) is None:
            found = await self._create(launch)
        if found is not None and found.status == "created":
            await start(self._docker, found, launch.limits)
        return str(found.id) if found is not None else ""

    async def _create(self, launch: Launch) -> Any:
        await self._end_earlier(launch)
        uid = await self._uid()
        await asyncio.to_thread(attempt.prepare, launch, uid)
        attempt.open_socket(launch.folder)
        folder = launch.folder.attempt(launch.attempt)
        plan = attempt.spec(launch, host.INSIDE, [container_spec.CLI_INSIDE, *launch.argv], self._lease_s)
        plan |= container_spec.plan(launch, uid)
        await asyncio.to_thread(files.write_atomic, str(folder / files.LAUNCH), plan, durable=False)
        if os.geteuid() != 0:
            folder.chmod(ANYBODY)
        arguments = container_spec.arguments(launch, self._image, self._installation, self._binary, uid, self._code)
        try:
            return await self._docker.call(lambda: self._docker.client().containers.create(**arguments))
        except APIError as e:
            if e.status_code != _CONFLICT:
                raise
            return await self._theirs(launch)

    async def _end_earlier(self, launch: Launch) -> None:
        """A session may have claimed its end and gone on; its next attempt must not share the door with it."""
        for number in range(1, launch.attempt):
            found = await self._find(launch.session, number)
            if found is not None and found.status in {"running", "paused", "restarting"}:
                await self._end(found, 0.0)

    async def _theirs(self, launch: Launch) -> Any:
        """Somebody was faster: their container is as good. Its name is taken before it can be found."""
        for _ in range(int(_KILL_S / _POLL_S)):
            found = await self._find(launch.session, launch.attempt)
            if found is not None:
                return found
            await asyncio.sleep(_POLL_S)
        raise TransientError(
            f"A container for session {launch.session} was begun and then not made; it is tried again."
        )

    async def _uid(self) -> int:
        if self._rootless is None:
            await self._look()
        return container_spec.session_uid(rootless=bool(self._rootless))

    # ------------------------------------------------------------ look and end

    async def _find(self, session: SessionId, number: int) -> Any | None:
        spare = spares.read(self._sessions / session / "attempts" / str(number))
        name = spare.identity if spare else container_spec.name_of(session, number)
        try:
            return await self._docker.call(lambda: self._docker.client().containers.get(name))
        except NotFound:
            return None

    async def _state(self, handle: Handle) -> dict[str, Any] | None:
        found = await self._find(handle.session, handle.attempt)
        return dict(found.attrs["State"]) if found is not None else None

    def _conclude(self, folder: Path, state: dict[str, Any] | None) -> ExitState:
        """The end, from the runner's record and the engine's: only the engine knows of a lack of memory."""
        self._inspected.clear()  # a hint only, and otherwise it would grow for ever
        starved = state is not None and bool(state["OOMKilled"])
        ended = attempt.ended(folder)
        if ended is None:
            reason = "oom" if starved else "lost"
            detail = (
                "the container had too little memory"
                if starved
                else "its container was ended or removed by somebody else"
            )
            return attempt.record_end(folder, state["ExitCode"] if state else None, reason, detail)
        if not starved or ended.reason != "exited" or ended.code == 0:
            return ended
        files.write_atomic(
            str(folder / files.EXIT),
            {"code": ended.code, "reason": "oom", "detail": "the container had too little memory"},
        )
        return attempt.ended(folder) or ended

    async def _end(self, container: Any, grace_s: float) -> None:
        """Ask the runner, which asks the command; then end the container with everything in it."""
        await self._signal(container, "SIGTERM")
        for _ in range(int((grace_s + _KILL_S) / _POLL_S)):
            try:
                await self._docker.call(container.reload)
            except NotFound:
                return
            if container.status in {"exited", "dead", "created"}:
                return
            await asyncio.sleep(_POLL_S)
        await self._signal(container, "SIGKILL")
        await self._docker.call(lambda: container.wait(timeout=_KILL_S))

    async def _signal(self, container: Any, signal: str) -> None:
        try:
            await self._docker.call(lambda: container.kill(signal))
        except APIError as e:
            if not isinstance(e, NotFound) and e.status_code != _CONFLICT:  # gone, or not running: as it should be
                raise TransientError(f"The Docker engine cannot end a container: {e.explanation or e}") from e

    async def _remove(self, container: Any) -> None:
        try:
            await self._docker.call(lambda: container.remove(force=True, v=True))
        except APIError as e:
            if not isinstance(e, NotFound) and e.status_code != _CONFLICT:  # gone, or somebody else is removing it
                raise TransientError(f"The Docker engine cannot remove a container: {e.explanation or e}") from e
