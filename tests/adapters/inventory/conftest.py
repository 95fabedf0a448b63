from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.inventory.source import RepositorySource
from domain.inventory import Inventory

Write = Callable[[str, str], Path]
Read = Callable[[], Awaitable[Inventory]]


@pytest.fixture
def repos(tmp_path: Path) -> Path:
    folder = tmp_path / "repos"
    folder.mkdir()
    return folder


@pytest.fixture
def write(repos: Path) -> Write:
    """Write `repository/file`."""

    def one(path: str, text: str) -> Path:
        target = repos / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    return one


@pytest.fixture
def read(repos: Path) -> Read:
    return RepositorySource(repos).read


def manifest(services: str, head: str = "version: 1") -> str:
    return f"---\n{head}\nservices:\n{services}\n---\n\n# About\nProse.\n"
