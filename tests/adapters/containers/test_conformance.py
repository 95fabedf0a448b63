"""The contract of `domain.ports.Engine`, the same for every engine."""

import asyncio
import json
import os
import sys
import time
import uuid
from pathlib import Path

import pytest

from domain.errors import TransientError
from domain.ports import Handle, Limits
from tests.adapters.containers.conftest import Bench, processes_with

ROOT = Path(__file__).resolve().parents[3]


async def test_it_gives_prompt_arguments_environment_and_exit_code(bench: Bench) -> None:
    state, text = await bench.run(
        'cat; echo "[$NAME] $(pwd)" ; echo oops >&2; exit 7', prompt="the prompt\n", env={"PATH": "/bin", "NAME": "a b"}
    )
    folder = text.partition("[a b] ")[2].strip()
    assert text.startswith("the prompt\n[a b] ")
    assert folder.endswith("/work")
    assert (state.code, state.reason, state.stderr_tail) == (7, "exited", "oops")


async def test_attaching_gives_the_one_process(bench: Bench) -> None:
    launch = bench.launch("echo started; cat /proc/sys/kernel/random/uuid; sleep 60")
    handles = await asyncio.gather(*(bench.engine.start_or_attach(launch) for _ in range(4)))
    await bench.until(handles[0], b"-")
    again = await bench.make().start_or_attach(launch)
    assert {h.identity for h in handles} == {again.identity}
    await asyncio.sleep(0.3)
    assert (await bench.output(again)).count(b"started") == 1


async def test_an_ended_attempt_is_never_started_again(bench: Bench) -> None:
    launch = bench.launch("echo once; exit 3")
    first = await bench.engine.start_or_attach(launch)
    await bench.end(first)
    again = await bench.engine.start_or_attach(launch)
    assert (await bench.end(again)).code == 3
    assert await bench.output(again) == b"once\n"


async def test_the_next_attempt_of_a_session_finds_its_files(bench: Bench) -> None:
    launch = bench.launch('echo kept >"$KEEP/note"', env={"PATH": "/bin", "KEEP": "."})
    launch = launch.model_copy(update={"env": {"PATH": "/bin", "KEEP": str(launch.folder.claude_config)}})
    await bench.end(await bench.engine.start_or_attach(launch))
    second = launch.model_copy(update={"attempt": 2, "argv": ("-c", 'cat "$KEEP/note" && echo more >>"$KEEP/note"')})
    handle = await bench.engine.start_or_attach(second)
    assert (await bench.end(handle)).code == 0
    assert await bench.output(handle) == b"kept\n"


async def test_output_is_exact_by_offset_with_long_lines(bench: Bench) -> None:
    script = "i=0; while [ $i -lt 6 ]; do printf '%d' $i; head -c 300000 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; printf last"
    handle = await bench.engine.start_or_attach(bench.launch(script))
    pieces, offset = b"", 0
    while True:
        ended = await bench.engine.exited(handle) is not None
        while part := await bench.engine.read(handle, offset, 70_001):
            pieces += part
            offset += len(part)
        if ended:
            break
        await asyncio.sleep(0.01)
    assert pieces == b"".join(b"%d" % i + b"x" * 300_000 + b"\n" for i in range(6)) + b"last"
    assert await bench.engine.read(handle, 5, 3) == b"xxx"
    assert await bench.engine.read(handle, len(pieces)) == b""


async def test_wall_clock_ends_it(bench: Bench) -> None:
    marker = f"60.{uuid.uuid4().int % 10**9}"
    state, text = await bench.run(f"echo began; sleep {marker}", timeout_s=1)
    assert (state.reason, text) == ("timeout", "began\n")
    assert processes_with(marker) == []


async def test_too_much_memory_ends_it(bench: Bench) -> None:
    state, _ = await bench.run(
        "x=$(head -c 200000000 /dev/zero | tr '\\0' x); sleep 30; echo $x", limits=Limits(memory_mb=64)
    )
    assert state.reason == "oom"
    assert state.code != 0


async def test_too_many_processes_are_bounded(bench: Bench) -> None:
    marker = f"60.{uuid.uuid4().int % 10**9}"
    script = f"i=0; while [ $i -lt 60 ]; do sleep {marker} & i=$((i+1)); done; wait"
    handle = await bench.engine.start_or_attach(bench.launch(script, limits=Limits(pids=30)))
    state = await bench.end(handle)
    assert state.code != 0
    assert processes_with(marker) == []


async def test_stop_ends_what_ignores_it_and_what_is_below(bench: Bench) -> None:
    marker = f"60.{uuid.uuid4().int % 10**9}"
    script = f"trap '' TERM; (trap '' TERM; setsid sleep {marker} & sleep {marker} & wait) & echo ready; while :; do sleep 1; done"
    handle = await bench.engine.start_or_attach(bench.launch(script))
    await bench.until(handle, b"ready")
    state = await bench.engine.stop(handle, grace_s=0.5)
    assert (state.code, state.reason) == (137, "stopped")
    assert processes_with(marker) == []
    assert await bench.engine.stop(handle) == state
    assert await bench.engine.exited(handle) == state


async def test_an_end_is_told_when_nothing_of_the_session_is_left(bench: Bench) -> None:
    for script, timeout_s in (("exit 0", 60), ("exit 3", 60), ("sleep 60 & sleep 60", 0.5)):
        handle = await bench.engine.start_or_attach(bench.launch(script, timeout_s=timeout_s))
        await bench.end(handle)
        assert processes_with(handle.session) == []  # nor the runner, nor the container's first process


async def test_stop_lets_it_end_by_itself_first(bench: Bench) -> None:
    handle = await bench.engine.start_or_attach(
        bench.launch("trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.1; done")
    )
    await bench.until(handle, b"ready")
    state = await bench.engine.stop(handle, grace_s=5)
    assert (state.code, state.reason) == (9, "stopped")
    assert (await bench.output(handle)).endswith(b"bye\n")


async def test_what_a_command_leaves_behind_ends_with_it(bench: Bench) -> None:
    marker = f"60.{uuid.uuid4().int % 10**9}"
    state, text = await bench.run(f"(setsid sleep {marker} &) ; echo done")
    assert (state.code, text) == (0, "done\n")
    assert processes_with(marker) == []


async def test_a_killed_worker_leaves_the_session_running_and_no_byte_is_lost(bench: Bench, tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); sleep 0.01; done"
    launch = bench.launch(script)
    starter = tmp_path / "starter.py"
    starter.write_text(_STARTER)
    arguments = json.dumps(_starting(bench))
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, starter, arguments, launch.model_dump_json()),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert worker.stdout
    handle = Handle.model_validate_json(await worker.stdout.readline())
    worker.kill()
    await worker.wait()

    engine = bench.make()
    assert await engine.exited(handle) is None, "the session died with the worker"
    attached = await engine.start_or_attach(launch)
    assert attached.identity == handle.identity
    assert (await bench.end(attached)).code == 0
    assert (await bench.output(attached, engine)).decode() == "".join(f"line {i}\n" for i in range(200))


async def test_a_lease_that_nobody_renews_ends_it(bench: Bench) -> None:
    engine = bench.make(lease_s=1.0)
    marker = f"60.{uuid.uuid4().int % 10**9}"
    handle = await engine.start_or_attach(bench.launch(f"trap '' TERM; sleep {marker}"))
    for _ in range(8):  # renewed for longer than the lease: it goes on
        (handle.folder.root / "lease").touch()
        await asyncio.sleep(0.2)
    assert await engine.exited(handle) is None
    state = await bench.end(handle, within_s=10)
    assert state.reason == "lease"
    assert processes_with(marker) == []


async def test_sweep_ends_what_nobody_wants_and_nothing_else(bench: Bench, tmp_path: Path) -> None:
    wanted, orphan = [await bench.engine.start_or_attach(bench.launch("sleep 60")) for _ in range(2)]
    done = await bench.engine.start_or_attach(bench.launch("exit 0"))
    await bench.end(done)
    assert await bench.make().sweep(frozenset({wanted.session})) == (orphan.session,)
    assert (await bench.end(orphan)).reason in {"stopped", "lost"}
    assert await bench.engine.exited(wanted) is None
    assert await bench.engine.sweep(frozenset({wanted.session})) == ()


async def test_sweep_spares_what_was_started_after_the_list_was_made(bench: Bench) -> None:
    handle = await bench.engine.start_or_attach(bench.launch("sleep 60"))
    assert await bench.make(sweep_age_s=60.0).sweep(frozenset()) == ()
    assert await bench.engine.exited(handle) is None


async def test_a_folder_that_cannot_be_written_says_so(bench: Bench) -> None:
    bench.sessions.mkdir(parents=True)
    launch = bench.launch("exit 0")
    launch.folder.root.write_text("in the way")
    with pytest.raises(TransientError, match="free space in"):
        await bench.engine.start_or_attach(launch)


async def test_it_starts_within_reason_and_leaves_no_zombie(bench: Bench) -> None:
    began = time.monotonic()
    for _ in range(3):
        await bench.run("exit 0")
    print(f"{bench.engine.name}: {(time.monotonic() - began) / 3 * 1000:.0f} ms from start to recorded end")
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in children]
    assert "Z" not in states


def _starting(bench: Bench) -> dict[str, str]:
    inner = vars(bench.engine)
    return {
        "kind": bench.engine.name,
        "sessions": str(bench.sessions),
        "installation": str(inner.get("_installation", "")),
        "image": str(inner.get("_image", "")),
    }


_STARTER = """
import asyncio, json, sys, time
from pathlib import Path
from adapters.containers.container import ContainerEngine
from adapters.containers.process import ProcessEngine
from domain.ports import Launch

async def main():
    how, launch = json.loads(sys.argv[1]), Launch.model_validate_json(sys.argv[2])
    sessions = Path(how["sessions"])
    if how["kind"] == "process":
        engine = ProcessEngine(sessions, sessions.parent / "cache", Path("/bin/sh"))
    else:
        engine = ContainerEngine(sessions, how["installation"], how["image"], Path("/bin/sh"))
    handle = await engine.start_or_attach(launch)
    print(handle.model_dump_json(), flush=True)
    time.sleep(60)

asyncio.run(main())
"""
