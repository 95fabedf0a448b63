"""The session image: its programs, who runs them, and how it is built."""

import io
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import ImageNotFound

from adapters.containers import image
from adapters.containers.container import ContainerEngine
from adapters.containers.docker_host import DockerHost
from config.ports import free_ports
from config.settings import Settings, load
from domain.errors import ConfigurationError
from tests.adapters.containers.conftest import SHELL, Bench
from worker.doctor_parts import session_image

pytestmark = pytest.mark.docker

PROGRAMS = {
    "curl --version": r"curl \d",
    "dig -v 2>&1": r"DiG \d",
    "jq --version": r"jq-\d",
    "git --version": r"git version \d",
    "psql --version": r"psql \(PostgreSQL\) \d",
    "mysql --version": r"mysql\s+Ver \d",
    "redis-cli --version": r"redis-cli \d",
    "docker --version": r"Docker version \d",
}


@pytest.fixture
async def bench(docker_engine: Settings, tmp_path: Path) -> AsyncIterator[Bench]:
    sessions = tmp_path / "sessions"
    engine = ContainerEngine(sessions, str(uuid.uuid4()), docker_engine.session_image, SHELL, sweep_age_s=0.0)
    yield Bench(engine, sessions, lambda **_: engine)
    await engine.sweep(frozenset())


@pytest.fixture
def client(docker_engine: Settings) -> Iterator[Any]:
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture
def other(docker_engine: Settings, client: Any) -> Iterator[Settings]:
    """Settings with an image name of this test's own."""
    name = f"tiercel-test-{uuid.uuid4().hex[:12]}:1"
    yield docker_engine.model_copy(update={"session_image": name})
    remove(client, name)


def remove(client: Any, name: str) -> None:
    """Take the name away, and what has no other."""
    with suppress(ImageNotFound):
        client.images.remove(name)


async def state(settings: Settings) -> image.State:
    return await image.state(DockerHost(settings.docker_host), settings.session_image)


def labelled(client: Any, settings: Settings, label: str) -> None:
    """The session image once more, as if made from other files."""
    remove(client, settings.session_image)
    text = f"FROM {load().session_image}\nLABEL {image.LABEL_INPUTS}={label}\n"
    client.images.build(fileobj=io.BytesIO(text.encode()), tag=settings.session_image, rm=True)


async def test_each_program_answers_the_session(bench: Bench) -> None:
    script = "id -u; " + "; ".join(f"echo; {command}" for command in PROGRAMS)
    state, text = await bench.run(script)
    assert state.code == 0, text
    who, *answers = text.split("\n\n")
    assert who != "0"
    assert len(answers) == len(PROGRAMS)
    assert [a for a, form in zip(answers, PROGRAMS.values(), strict=True) if not re.match(form, a)] == []


async def test_whoever_starts_it_by_hand_is_nobody(docker_engine: Settings, client: Any) -> None:
    said = client.containers.run(docker_engine.session_image, ["id", "-u"], remove=True, network_mode="none")
    assert said.decode().strip() == "64000"


async def test_it_says_what_it_is_doing_only_where_something_is_to_do(docker_engine: Settings) -> None:
    said: list[str] = []
    assert (await image.build(docker_engine, said.append)).startswith("sha256:")
    assert said == [f"{docker_engine.session_image} is up to date"]


async def test_the_doctor_tells_an_image_of_other_files_from_none(other: Settings, client: Any, tmp_path: Path) -> None:
    assert await state(other) == "missing"
    (missing,) = await session_image(other)
    assert (missing.level, missing.fix) == ("warn", "tiercel image build")
    labelled(client, other, "of-yesterday")
    assert await state(other) == "older"
    (older,) = await session_image(other)
    assert (older.level, older.fix) == ("warn", "tiercel image build")
    engine = ContainerEngine(tmp_path, "x", other.session_image, SHELL)
    assert "another version" in (await engine.isolation()).how
    assert not (await engine.isolation()).isolated
    labelled(client, other, '""')
    assert await state(other) == "built elsewhere"


async def test_an_image_of_other_files_is_built_again_and_each_line_is_told(other: Settings, client: Any) -> None:
    labelled(client, other, "of-yesterday")
    said: list[str] = []
    await image.build(other, said.append)
    assert await state(other) == "up to date"
    assert said[0] == f"building {other.session_image}"
    assert said[-1] == f"built {other.session_image}"
    assert [line for line in said if line.startswith("Step ")]
    assert not [line for line in said if "\n" in line or "\r" in line or "\x1b" in line]


async def test_where_no_engine_answers_there_is_nothing_to_say(docker_engine: Settings) -> None:
    away = docker_engine.model_copy(update={"docker_host": f"tcp://127.0.0.1:{free_ports(1)[0]}"})
    assert await state(away) == "no engine"
    assert await session_image(away) == []


async def test_a_build_that_fails_ends_with_its_own_words(
    other: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {image.BASE}\nRUN echo about to fail; false\n")
    monkeypatch.setattr(image, "FOLDER", tmp_path)
    with pytest.raises(ConfigurationError, match="about to fail"):
        await image.build(other, lambda _: None)
    assert await state(other) == "missing"


def test_any_file_of_the_folder_makes_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.inputs_digest()
    shutil.copytree(image.FOLDER, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(image, "FOLDER", tmp_path)
    assert image.inputs_digest() == before
    (tmp_path / "one-more").touch()
    assert image.inputs_digest() != before


def test_the_build_knows_nothing_of_this_machine_and_asks_no_registry() -> None:
    text = (image.FOLDER / "Dockerfile").read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert not text.startswith("# syntax"), "the builder would pull a front end"
    assert not re.search(r"https?:|proxy|mirror|<<|--mount|--link", code, re.IGNORECASE)
    assert re.findall(r"^ARG .*$", code, re.MULTILINE) == [f"ARG BASE={image.BASE}"]


def _with_buildkit() -> str:
    """A client that has BuildKit without a plugin, or with one."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = Path(folder) / "docker"
        asked = subprocess.run(
            [found, "build", "--help"], capture_output=True, text=True, check=False, env={**os.environ, "DOCKER_BUILDKIT": "1"}
        ) if found.exists() else None  # fmt: skip
        if asked is not None and "--progress" in asked.stdout:
            return str(found)
    pytest.skip("no docker client with BuildKit: apt install docker.io, or docker-buildx")


def test_buildkit_builds_it_too(other: Settings, tmp_path: Path) -> None:
    """Over the image itself, so that nothing has to be fetched again; the classic builder has made that one."""
    over = f"BASE={load().session_image}"
    built = subprocess.run(
        [_with_buildkit(), "build", "--quiet", "--build-arg", over, "--tag", other.session_image, str(image.FOLDER)],
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-3000:]
