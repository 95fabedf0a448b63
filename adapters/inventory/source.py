"""The inventory of all mounted repositories."""

import asyncio
import os
from pathlib import Path

from adapters.inventory.combine import combine
from adapters.inventory.draft import Draft
from adapters.inventory.repository import read_repository
from domain.inventory import Inventory, InventoryProblem, RepositoryNotes

MAX_REPOSITORIES = 500
MAX_SERVICES = 10_000


class RepositorySource:
    """Implements domain.ports.InventorySource over a folder whose sub-folders are repositories."""

    def __init__(self, repos_dir: Path, session_image: str = "") -> None:
        self._repos_dir = repos_dir
        self._image = session_image

    async def read(self) -> Inventory:
        """Read everything anew, in a thread: a slow disk must not stop the process."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Inventory:
        drafts: list[Draft] = []
        problems: list[InventoryProblem] = []
        notes: list[RepositoryNotes] = []
        for folder in self._folders(problems):
            try:
                found, note = read_repository(folder, self._image)
            except Exception as e:  # noqa: BLE001 - the contract: one repository must not take the others along
                problems.append(_broken(folder.name, f"it could not be read: {type(e).__name__}: {e}"[:300]))
                continue
            drafts += found.drafts
            problems += found.problems
            notes.append(note)
        if len(drafts) > MAX_SERVICES:
            message = f"more than {MAX_SERVICES} services are declared; the rest is left out"
            problems.append(_broken(drafts[MAX_SERVICES].repository, message))
        services, conflicts = combine(drafts[:MAX_SERVICES])
        return Inventory(services=services, problems=(*problems, *conflicts), repositories=tuple(notes))

    def _folders(self, problems: list[InventoryProblem]) -> list[Path]:
        try:
            with os.scandir(self._repos_dir) as entries:
                names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
        except OSError as e:
            fix = "create it and put a repository into it, or set TIERCEL_REPOS_DIR"
            message = f"the folder of repositories cannot be read ({e.strerror})"
            problems.append(InventoryProblem(repository="", file=str(self._repos_dir), message=message, fix=fix))
            return []
        return [self._repos_dir / name for name in names[:MAX_REPOSITORIES]]


def _broken(repository: str, message: str) -> InventoryProblem:
    return InventoryProblem(repository=repository, file=".", message=message, fix="look at its files and permissions")
