"""The wall of the process engine: what bubblewrap shows to a session, and everything it does not.

Inside there is one process tree of uid 1000 without capabilities, a loopback of its own, a private /tmp, the system's
programs read-only, the CLI, and the session's own `config` and `work`. The door and the relay stay outside.
"""

from pathlib import Path

from adapters.containers import rules
from domain.ports import Launch

CLI_INSIDE = "/opt/tiercel/claude"
SESSION_ID = "1000"  # uid and gid as the session sees them
TMP_BYTES = 512 << 20

_ETC = Path(__file__).parent / "etc"
RULES = Path(__file__).resolve().parents[2] / "deploy" / "session" / "managed-settings.json"
_OURS = ("passwd", "group", "hosts", "nsswitch.conf")  # instead of the host's, which tell who works here
_HOST_ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "ssl/certs",
    "pki/tls/certs",
    "ca-certificates",
)
_ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

_NAMESPACES = (
    "--unshare-user",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
)
_RIGHTS = (
    "--uid",
    SESSION_ID,
    "--gid",
    SESSION_ID,
    "--cap-drop",
    "ALL",
    "--die-with-parent",
    "--new-session",
    "--hostname",
    "session",
)


def arguments(launch: Launch, binary: Path, options: frozenset[str]) -> list[str]:
    """Bubblewrap's arguments. `options`: what the installed bubblewrap knows."""
    folder = launch.folder
    args = [*_NAMESPACES, *_RIGHTS]
    if "--disable-userns" in options:
        args += ["--disable-userns"]
    args += _environment(launch.env) + _system()
    args += ["--size", str(TMP_BYTES)] * ("--size" in options) + ["--tmpfs", "/tmp"]  # noqa: S108  inside the sandbox
    args += ["--ro-bind", str(binary.resolve()), CLI_INSIDE, "--ro-bind", str(RULES), rules.INSIDE]
    for path in launch.read_only:
        args += ["--ro-bind", str(path), str(path)]
    for path in (folder.claude_config, folder.work):
        args += ["--bind", str(path), str(path)]
    # Run by root, the session is root to the kernel's own files, capabilities or not: with a writable /proc it could
    # change /proc/sys of the whole machine, and so run programs outside.
    for path in ("/proc", "/dev", "/usr/local", "/"):
        args += ["--remount-ro", path]
    return [*args, "--chdir", str(folder.work)]


def _environment(env: dict[str, str]) -> list[str]:
    args = ["--clearenv"]
    for name, value in env.items():
        args += ["--setenv", name, value]
    return args


def _system() -> list[str]:
    args = ["--ro-bind", "/usr", "/usr", "--tmpfs", "/usr/local"]
    for name in _ROOT_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            args += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            args += ["--ro-bind", str(path), str(path)]
    for name in _HOST_ETC:
        args += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in _OURS:
        args += ["--ro-bind", str(_ETC / name), f"/etc/{name}"]
    return [*args, "--proc", "/proc", "--dev", "/dev"]
