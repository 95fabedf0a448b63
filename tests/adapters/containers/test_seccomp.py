"""The kernel's filter of system calls, tried from inside a session by calling each of them."""

import errno
import platform

import pytest

from adapters.containers import seccomp
from tests.adapters.containers.conftest import BOTH, Bench, Make, bench, docker_engine, make

__all__ = ["BOTH", "Make", "bench", "docker_engine", "make"]

# Each line: what was called, the errno that came back (0: it went through), or the signal that ended the caller.
CALLS = """
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *args):
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in args])
    print(name, 0 if done >= 0 else ctypes.get_errno(), flush=True)
def killed(name, number):
    child = os.fork()
    if child == 0:
        libc.syscall(ctypes.c_long(number))
        os._exit(0)
    print(name, os.waitpid(child, 0)[1], flush=True)
for name, number in {refused}:
    call(name, number, -1, -1, -1, -1, -1)
call("clone3", {clone3}, 0, 0)
call("unshare: user", {unshare}, 0x10000000)
call("newer than the list", {newest} + 1)
call("personality: no randomness", {personality}, 0x0040000)
call("personality: which", {personality}, 0xffffffff)
call("TIOCSTI", {ioctl}, 0, 0x5412, 0)
call("TIOCSTI, high bits set", {ioctl}, 0, 0x100005412, 0)
call("FIONREAD", {ioctl}, 0, 0x541B, 0)
for name, family, kind, protocol in (("vsock", 40, 1, 0), ("alg", 38, 5, 0), ("packet", 17, 3, 0), ("netlink: audit", 16, 3, 9),
                                     ("netlink: route", 16, 3, 0), ("unix", 1, 1, 0), ("inet", 2, 1, 0)):
    call(name, {socket}, family, kind, protocol)
if {x32}:
    killed("x32", 0x40000000 + 39)
print("filter", open("/proc/self/status").read().partition("Seccomp:")[2].split()[0])
"""
SIGSYS = 31
COREDUMP = 0x80


async def test_what_no_session_needs_the_kernel_refuses(bench: Bench) -> None:
    column = 0 if platform.machine() == "x86_64" else 1
    refused = [(name, numbers[column]) for name, numbers in seccomp.REFUSED.items() if numbers[column] is not None]
    script = CALLS.format(
        refused=refused,
        clone3=seccomp._CLONE3[column],
        unshare=seccomp._UNSHARE[column],
        newest=seccomp._NEWEST,
        personality=seccomp._PERSONALITY[column],
        ioctl=seccomp._IOCTL[column],
        socket=seccomp._SOCKET[column],
        x32=column == 0,
    )
    state, text = await bench.run(
        'exec /usr/bin/python3 -I -c "$SCRIPT"', env={"PATH": "/usr/bin:/bin", "SCRIPT": script}
    )
    assert state.code == 0, state
    told = {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in text.splitlines()}
    expected = {name: errno.EPERM for name, _ in refused} | {
        "clone3": errno.ENOSYS,
        "unshare: user": errno.EPERM,
        "newer than the list": errno.ENOSYS,
        "personality: no randomness": errno.EPERM,
        "personality: which": 0,
        "TIOCSTI": errno.EPERM,
        "TIOCSTI, high bits set": errno.EPERM,
        "FIONREAD": errno.EFAULT,  # went through to the kernel
        "netlink: route": 0,
        "unix": 0,
        "inet": 0,
        "filter": 2,
    }
    expected |= dict.fromkeys(("vsock", "alg", "packet", "netlink: audit"), errno.EAFNOSUPPORT)
    assert {name: told[name] for name in expected} == expected
    if column == 0:
        assert told["x32"] & ~COREDUMP == SIGSYS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_program_is_whole_and_every_jump_stays_inside(machine: str) -> None:
    program = seccomp.program(machine)
    steps = [program[at : at + 8] for at in range(0, len(program), 8)]
    assert len(steps[-1]) == 8
    assert len(steps) < 4096  # the kernel's bound
    for at, step in enumerate(steps):
        if step[0] & 7 == 5:  # a jump: where to, if true and if false
            assert at + 1 + max(step[2], step[3]) < len(steps)


def test_an_unknown_machine_has_no_filter() -> None:
    assert seccomp.program("riscv64") == b""
