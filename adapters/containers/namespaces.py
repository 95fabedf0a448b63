"""A listener inside another process's network namespace, and the few calls of the runner that Python does not have.

The relay runs outside the sandbox on a socket that belongs to the sandbox's loopback: nothing of ours (no Python,
no relay, no door) has to be visible inside. Standard library only.
"""

import ctypes
import fcntl
import os
import socket

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_NS_GET_USERNS = 0xB701
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_FILTER_STEP_BYTES = 8

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def become_subreaper() -> None:
    """Orphans below this process become its children, so that it can wait for the very last of them."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")


def die_with_parent(signum: int) -> None:
    """Ask the kernel for `signum` when the thread that forked this process ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def become(uid: int) -> None:
    """Be `uid` and nobody else from here on, without any right that could be got back. Needs CAP_SETUID and SETPCAP."""
    capability = 0
    while _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1  # until the kernel knows no higher one
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")


def filter_calls(program: bytes) -> None:
    """Have the kernel judge every system call of this process and its children by `program` (seccomp.py)."""
    steps = ctypes.create_string_buffer(program)
    head = _Filter(len(program) // _FILTER_STEP_BYTES, ctypes.addressof(steps))
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(head), 0, 0), "prctl(PR_SET_SECCOMP)")


class _Filter(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def act_as(uid: int) -> None:
    """Have this thread open files as `uid`, and nothing else change: signals and rights stay the runner's."""
    _libc.setfsgid(uid)
    _libc.setfsuid(uid)


def listen_inside(pid: int, port: int) -> socket.socket:
    """A listener on the loopback of `pid`'s network namespace. Raises OSError where the kernel refuses.

    Must be called while this process has one thread: a user namespace cannot be entered with more, so a child
    enters and hands the socket back.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    child = os.fork()
    if child == 0:
        _enter_and_send(pid, port, theirs)
    theirs.close()
    with ours:
        answer, fds, _, _ = socket.recv_fds(ours, 4096, 1)
    os.waitpid(child, 0)
    if not fds:
        raise OSError(answer.decode(errors="replace") or "the helper died")
    return socket.socket(fileno=fds[0])


def _enter_and_send(pid: int, port: int, channel: socket.socket) -> None:
    try:
        from adapters.containers.relay import listen

        network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        if os.geteuid() != 0:
            # The namespace's owner, which is not always the process's own user namespace (--disable-userns nests).
            owner = fcntl.ioctl(network, _NS_GET_USERNS)
            _check(_libc.setns(owner, _CLONE_NEWUSER), "setns(user)")
        _check(_libc.setns(network, _CLONE_NEWNET), "setns(net)")
        listener = listen(port, before_loopback=True)
        socket.send_fds(channel, [b"ok"], [listener.fileno()])
    except BaseException as e:  # noqa: BLE001  whatever it is, the parent must hear it and this fork must not go on
        channel.send(f"cannot listen inside the sandbox: {e}".encode())
    finally:
        os._exit(0)
