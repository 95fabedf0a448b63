"""Which engine is chosen, and what is said where none can isolate."""

import sys
from pathlib import Path

import pytest

from adapters.containers import bubblewrap, choice
from config.claude_cli import ClaudeBinary
from config.settings import Settings
from domain.errors import CannotIsolateError

NO_DOCKER = "unix:///nowhere/docker.sock"


def settings(tmp_path: Path, engine: str, **changes: str) -> Settings:
    base = {"home": tmp_path / "home", "cache_dir": tmp_path / "cache", "engine": engine, "claude_bin": Path("/bin/sh")}
    return Settings.model_validate({**base, **changes})


def s_binary(given: Settings) -> ClaudeBinary:
    assert given.claude_bin
    return ClaudeBinary(path=given.claude_bin, version="1", source="test")


@pytest.fixture(autouse=True)
def any_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which CLI it is does not matter here, and asking the real one for its version takes time."""
    monkeypatch.setattr(choice, "find", s_binary)


@pytest.fixture
def no_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "find", lambda _: None)


@pytest.mark.isolation
@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap needs Linux")
async def test_without_docker_auto_takes_processes(tmp_path: Path) -> None:
    engine = await choice.select(settings(tmp_path, "auto", docker_host=NO_DOCKER), scripted=False)
    assert engine.name == "process"
    assert (await engine.isolation()).isolated


@pytest.mark.docker
async def test_with_docker_and_the_image_auto_takes_containers(tmp_path: Path, docker_engine: Settings) -> None:
    engine = await choice.select(settings(tmp_path, "auto", session_image=docker_engine.session_image), scripted=False)
    assert engine.name == "container"


@pytest.mark.docker
async def test_without_the_image_auto_takes_processes_and_container_says_how_to_build(
    tmp_path: Path, docker_engine: Settings
) -> None:
    assert (
        await choice.select(settings(tmp_path, "auto", session_image="tiercel-none:1"), scripted=True)
    ).name == "process"
    with pytest.raises(CannotIsolateError, match="tiercel-none:1 is missing; build it"):
        await choice.select(settings(tmp_path, "container", session_image="tiercel-none:1"), scripted=True)


async def test_a_named_engine_that_cannot_isolate_is_refused_for_real_models(
    tmp_path: Path, no_bubblewrap: None
) -> None:
    with pytest.raises(CannotIsolateError, match="apt install bubblewrap"):
        await choice.select(settings(tmp_path, "process"), scripted=False)
    with pytest.raises(CannotIsolateError, match="no Docker engine answers"):
        await choice.select(settings(tmp_path, "container", docker_host=NO_DOCKER), scripted=True)


async def test_scripted_sessions_run_without_isolation_and_say_so(tmp_path: Path, no_bubblewrap: None) -> None:
    for engine in ("process", "auto"):
        chosen = await choice.select(settings(tmp_path, engine, docker_host=NO_DOCKER), scripted=True)
        isolation = await chosen.isolation()
        assert (chosen.name, isolation.isolated) == ("process", False)
        assert isolation.how.startswith("not isolated: bubblewrap is missing")


def test_an_installation_keeps_its_id(tmp_path: Path) -> None:
    first = choice.installation_id(tmp_path / "a")
    assert choice.installation_id(tmp_path / "a") == first
    assert choice.installation_id(tmp_path / "b") != first
