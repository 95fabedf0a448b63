"""Containers that are started ahead of need: making one, giving one to a session, ending one."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound

from adapters.containers import attempt, cgroup, container_spec, files, host, spares
from adapters.containers.docker_host import DockerHost
from adapters.containers.spares import Spare
from domain.errors import TransientError
from domain.ports import Launch, SessionFolder
from domain.session import Limits

ANYBODY = 0o777  # the runner is root without the right to write everywhere; the folders above let nobody in
_START_S = 20.0
_POLL_S = 0.02


async def start(docker: DockerHost, container: Any, limits: Limits) -> None:
    """Start a container. Its processor time is bounded on the whole, not in each tenth of a second, where we may."""
    await docker.call(container.start)
    with contextlib.suppress(NotFound):  # ended and taken away already
        await docker.call(container.reload)
        cgroup.let_burst(int(container.attrs["State"]["Pid"]), str(container.id), limits.cpus)


class ContainerSpares:
    """The waiting containers of one installation. Which there are is on disk, never in memory."""

    def __init__(
        self, docker: DockerHost, sessions: Path, installation: str, binary: Path, code: Path, lease_s: float
    ) -> None:
        self._docker = docker
        self._sessions = sessions
        self._installation = installation
        self._binary = binary
        self._code = code
        self._lease_s = lease_s

    def key(self, launch: Launch, image_id: str, uid: int) -> str:
        """What a container must have been made like to serve `launch`."""
        like = container_spec.made_like(launch, image_id, self._installation, self._binary, uid, self._code)
        return spares.key_of({"like": like, "lease_s": self._lease_s}, container_spec.CODE)

    async def make(self, limits: Limits, read_only: tuple[Path, ...], image_id: str, uid: int) -> None:
        """Start one, and return when it waits. Raises TransientError where it does not come to that."""
        name = f"{spares.PREFIX}{os.urandom(8).hex()}"
        folder = await asyncio.to_thread(spares.make, self._sessions, name, uid)
        if os.geteuid() != 0:
            folder.attempt(1).chmod(ANYBODY)
        launch = container_spec.waiting(limits, read_only, folder)
        told = container_spec.arguments(launch, image_id, self._installation, self._binary, uid, self._code)
        told |= container_spec.waits(self._lease_s, name)
        try:
            made = await self._docker.call(lambda: self._docker.client().containers.create(**told))
            spares.sign(folder, Spare(name=name, key=self.key(launch, image_id, uid), identity=str(made.id)))
            await start(self._docker, made, limits)
        except APIError as e:
            raise TransientError(f"The Docker engine refused a container that waits: {e.explanation or e}") from e
        for _ in range(int(_START_S / _POLL_S)):
            if spares.waited(folder):
                return
            await asyncio.sleep(_POLL_S)
        raise TransientError(f"A container that should wait for a session does not; see `docker logs {made.name}`.")

    def hand_over(self, launch: Launch, spare: Spare, uid: int) -> bool:
        """Make the spare's folders the session's and tell its runner. Blocking. False: nobody waits there any more."""
        place = launch.folder.attempt(launch.attempt)
        spares.move_in(self._sessions, launch, spare)
        attempt.prepare(launch, uid)
        attempt.open_socket(launch.folder)
        plan = attempt.spec(launch, host.INSIDE, [], self._lease_s) | container_spec.plan(launch, uid)
        files.write_atomic(str(place / files.LAUNCH), plan, durable=False)
        return spares.wake(place, f"{container_spec.ATTEMPT_INSIDE}/{files.LAUNCH}")

    async def name(self, launch: Launch, spare: Spare) -> None:
        """Call the container what a session's container is called: for people, and for the sweep."""
        name = container_spec.name_of(launch.session, launch.attempt)
        try:
            await self._docker.call(lambda: self._docker.client().api.rename(spare.identity, name))
        except (APIError, TransientError):
            return  # it is called so already, is gone, or keeps its name: the files say whose it is

    async def end(self, folder: SessionFolder) -> None:
        """End one that nobody has."""
        if not await asyncio.to_thread(spares.dismiss, folder):
            return
        try:
            found = await self._docker.call(
                lambda: self._docker.client().containers.get(container_spec.name_of(folder.root.name, 1))
            )
            await self._docker.call(lambda: found.remove(force=True, v=True))
        except NotFound:
            pass
        except APIError as e:
            raise TransientError(f"The Docker engine cannot remove a container that waits: {e.explanation or e}") from e
        await asyncio.to_thread(spares.remove, folder)

    def owner(self, container: Any) -> tuple[str, str] | None:
        """Session and attempt of a container of ours; None for one that waits, which is the keeper's to end."""
        session = str(container.labels.get(container_spec.LABEL_SESSION, ""))
        number = str(container.labels.get(container_spec.LABEL_ATTEMPT, "0"))
        if not spares.is_spare(session):
            return session, number
        folder = spares.folder_of(self._sessions, session)
        if taken := spares.taken(folder):
            return taken[0], str(taken[1])
        return None if container.status == "running" and folder.root.exists() else (session, number)
