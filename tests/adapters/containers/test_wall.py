"""What a session cannot see, reach or change, whichever engine runs it."""

import asyncio
import os
import socket
import uuid
from pathlib import Path
from typing import Any

import pytest

from adapters.containers.container import ContainerEngine
from adapters.containers.container_spec import CONFIG_INSIDE, WORK_INSIDE
from domain.ports import Launch, SessionFolder
from tests.adapters.containers.conftest import Bench


async def said(bench: Bench, script: str, **changes: Any) -> str:
    """The output of a script that is expected to end well."""
    state, text = await bench.run(script, **changes)
    assert state.code == 0, (state, text)
    return text


async def test_it_is_nobody_without_rights(bench: Bench) -> None:
    text = await said(bench, "id -u; grep -E '^(CapEff|CapBnd|CapPrm|NoNewPrivs)' /proc/self/status")
    uid, *lines = text.split("\n")
    rights = dict(line.split(":\t") for line in lines if line)
    assert uid != "0"
    assert rights == {"CapEff": "0" * 16, "CapBnd": "0" * 16, "CapPrm": "0" * 16, "NoNewPrivs": "1"}


async def test_it_has_only_a_loopback_and_reaches_nothing(bench: Bench) -> None:
    listener = socket.create_server(("0.0.0.0", 0))
    port = listener.getsockname()[1]
    probe = "bash -c 'exec 3<>/dev/tcp/{}/{}' 2>/dev/null && echo reached"
    targets = [("127.0.0.1", port), (_own_address(), port), ("172.17.0.1", port), ("1.1.1.1", 443), ("example.org", 80)]
    script = (
        "tail -n +3 /proc/net/dev | cut -d: -f1; " + "; ".join(probe.format(*target) for target in targets) + "; true"
    )
    try:
        assert (await said(bench, script)).split() == ["lo"]
    finally:
        listener.close()


async def test_it_sees_no_secret_of_the_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = f"secret-{uuid.uuid4().hex}"
    monkeypatch.setenv("TIERCEL_TEST_SECRET", secret)
    script = "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'; cat /etc/passwd /etc/hosts"
    text = await said(bench, script, env={"PATH": "/usr/bin:/bin", "GIVEN": "yes"})
    assert "GIVEN=yes" in text
    assert secret not in text
    assert "TIERCEL" not in text


async def test_its_environment_is_the_given_one(bench: Bench) -> None:
    text = await said(bench, "env", env={"PATH": "/usr/bin:/bin", "GIVEN": "a=b c"})
    names = {line.partition("=")[0] for line in text.splitlines()}
    assert "GIVEN=a=b c" in text
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "GIVEN"}


async def test_it_sees_no_file_of_the_host_or_of_another_session(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("host")
    other = bench.launch("sleep 30", prompt="other's prompt")
    await bench.engine.start_or_attach(other)
    files = [secret, Path(__file__), Path("/etc/shadow"), Path("/root/.bashrc"), other.folder.attempt(1) / "prompt.txt"]
    folders = [other.folder.root, *map(Path, ("/root", "/home", "/run/docker.sock", "/var/run/docker.sock"))]
    script = "".join(f"cat {path} 2>/dev/null; " for path in files)
    script += "".join(f"ls -A {path} 2>/dev/null; " for path in folders) + "true"
    assert await said(bench, script) == ""
    own = bench.launch(f"ls {bench.sessions}")
    handle = await bench.engine.start_or_attach(own)
    await bench.end(handle)
    # In a container its folder has another name inside, so that not even that is to be seen.
    in_container = isinstance(bench.engine, ContainerEngine)
    assert (await bench.output(handle)).decode().split() == ([] if in_container else [own.session])


async def test_it_sees_only_its_own_processes(bench: Bench) -> None:
    text = await said(bench, "cat /proc/[0-9]*/stat | wc -l")
    assert int(text) <= 6


async def test_it_writes_only_where_it_may(bench: Bench) -> None:
    launch = bench.launch("")
    folder = launch.folder
    may = [folder.work, folder.claude_config, Path("/tmp")]
    may_not = [Path(p) for p in ("/", "/usr", "/usr/local", "/etc", "/opt", "/dev", "/run", "/var/tmp")]
    may_not += [folder.door]
    script = f"for d in {' '.join(map(str, (*may, *may_not)))}; do touch $d/probe 2>/dev/null && echo $d; done; true"
    handle = await bench.engine.start_or_attach(launch.model_copy(update={"argv": ("-c", script)}))
    await bench.end(handle)
    inside = [WORK_INSIDE, CONFIG_INSIDE, "/tmp"] if isinstance(bench.engine, ContainerEngine) else map(str, may)
    assert (await bench.output(handle)).decode().split() == list(inside)
    written = {path.relative_to(folder.root).as_posix() for path in folder.root.rglob("probe")}
    assert written == {"work/probe", "config/probe"}


async def test_it_cannot_change_the_kernel_of_the_host(bench: Bench) -> None:
    # `test -w` asks the kernel and changes nothing: a hole here is a hole in this machine.
    files = "/proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/sys/kernel/modprobe"
    assert (
        await said(
            bench,
            f"for f in {files} $(find /proc/sys -type f 2>/dev/null | head -300); do test -w $f && echo $f; done; true",
        )
        == ""
    )


async def test_it_cannot_make_namespaces_to_get_rights_back(bench: Bench) -> None:
    assert await said(bench, "unshare -Ur true 2>/dev/null && echo made; true") == ""


async def test_repositories_are_there_and_read_only(bench: Bench, tmp_path: Path) -> None:
    repository = tmp_path / "repos" / "app"
    repository.mkdir(parents=True)
    (repository / "CLAUDE-OPS.md").write_text("hello")
    tmp_path.chmod(0o755)
    text = await said(
        bench,
        f"cat {repository}/CLAUDE-OPS.md; touch {repository}/x 2>/dev/null || echo ' refused'",
        read_only=(repository,),
    )
    assert text == "hello refused\n"
    assert not (repository / "x").exists()


async def test_the_door_is_the_loopback_address(bench: Bench) -> None:
    launch = bench.launch("bash -c 'exec 3<>/dev/tcp/127.0.0.1/9000 && echo ping >&3 && read -u 3 line && echo $line'")
    async with await door(launch.folder, b"pong\n"):
        handle = await bench.engine.start_or_attach(_patient(launch.argv[1], launch))
        state = await bench.end(handle)
    assert (state.code, await bench.output(handle)) == (0, b"pong\n")


async def test_a_door_that_opens_late_is_waited_for(bench: Bench) -> None:
    launch = bench.launch("bash -c 'exec 3<>/dev/tcp/127.0.0.1/9000 && echo ping >&3 && read -u 3 line && echo $line'")
    handle = await bench.engine.start_or_attach(_patient(launch.argv[1], launch))
    await asyncio.sleep(1)
    assert await bench.engine.exited(handle) is None
    async with await door(launch.folder, b"pong\n"):
        state = await bench.end(handle)
    assert (state.code, await bench.output(handle)) == (0, b"pong\n")


def _patient(script: str, launch: Launch) -> Launch:
    """A shell connects within a millisecond, the CLI after a hundred: let the shell try again."""
    retry = f"for i in 1 2 3 4 5 6 7 8 9 10; do {script} && exit 0; sleep 0.05; done; exit 1"
    return launch.model_copy(update={"argv": ("-c", retry + " 2>/dev/null")})


async def door(folder: SessionFolder, answer: bytes) -> asyncio.Server:
    """A gateway of one answer, on a path that may be longer than a socket's name."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await writer.drain()
        writer.close()

    folder.door.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder.door, os.O_PATH)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/proc/self/fd/{descriptor}/gateway.sock")
    os.close(descriptor)
    folder.socket.chmod(0o666)
    return await asyncio.start_unix_server(reply, sock=listener)


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
