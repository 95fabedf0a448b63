"""The system calls that no session needs, as a program for the kernel's filter: classic BPF, made here.

The list is of what is refused: the CLI, the shell and the tools of an image use too many calls to name them all. Calls
newer than this list do not exist for a session either. What is refused answers EPERM, so that a program can go on.
"""

import errno
import struct

_X86_64, _AARCH64 = 0xC000003E, 0xC00000B7
_ARCH = {"x86_64": _X86_64, "aarch64": _AARCH64, "arm64": _AARCH64}

_NEWEST = 462  # mseal, Linux 6.10
_X32 = 0x40000000

# name: (number on x86_64, number on aarch64); None where there is no such call.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # into other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # keys of the kernel
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # large and often broken parts of the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "fanotify_init": (300, 262),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "vmsplice": (278, 75),
    # memory that is nobody's: no process that could be measured or ended holds it
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    # the machine itself
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "create_module": (174, None),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "uselib": (134, None),
    "_sysctl": (156, None),
    "ustat": (136, None),
    "sysfs": (139, None),
}
_CLONE, _CLONE3, _UNSHARE = (56, 220), (435, 435), (272, 97)
_SOCKET, _SOCKETPAIR, _IOCTL, _PERSONALITY = (41, 198), (53, 199), (16, 29), (135, 92)

_NEW_NAMESPACES = 0x7E020000  # user, mount, process, network, ipc, uts and cgroup namespaces
_NEW_TIME = 0x80  # of unshare only: in clone these bits are the signal at the end
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NETLINK_ROUTE = 0  # name resolution asks it for the own addresses
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: type into the terminal of whoever looks on
_PLAIN_PERSONALITIES = (0, 0xFFFFFFFF)  # the usual one, and the question which it is

_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_KILL, _ALLOW = 0x80000000, 0x7FFF0000
_NR, _MACHINE = 0, 4  # offsets in struct seccomp_data

Code = list[tuple[int, int, int, int]]


def program(machine: str) -> bytes:
    """The filter for `machine` (as `uname -m` says), an array of struct sock_filter; empty where it is not known."""
    arch = _ARCH.get(machine)
    if arch is None:
        return b""
    column = 0 if arch == _X86_64 else 1
    code: Code = [(_LOAD, 0, 0, _MACHINE), (_EQUAL, 1, 0, arch), _give(_KILL), (_LOAD, 0, 0, _NR)]
    if arch == _X86_64:
        code += [(_ABOVE, 0, 1, _X32 - 1), _give(_KILL)]
    code += [(_ABOVE, 0, 1, _NEWEST), _refuse(errno.ENOSYS)]
    for numbers in REFUSED.values():
        number = numbers[column]
        if number is not None:
            code += _case(number, [_refuse(errno.EPERM)])
    for numbers, block in _judged():
        code += _case(numbers[column], block)
    code.append(_give(_ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in code)


def _judged() -> list[tuple[tuple[int, int], Code]]:
    """Calls that are refused by what they ask for."""
    eperm, no_family = _refuse(errno.EPERM), _refuse(errno.EAFNOSUPPORT)
    families: Code = [(_LOAD, 0, 0, _argument(0))]
    for family in (_AF_UNIX, _AF_INET, _AF_INET6):
        families += [(_EQUAL, 0, 1, family), _give(_ALLOW)]
    families += [(_EQUAL, 0, 3, _AF_NETLINK), (_LOAD, 0, 0, _argument(2)), (_EQUAL, 0, 1, _NETLINK_ROUTE)]
    families += [_give(_ALLOW), no_family]
    pairs: Code = [(_LOAD, 0, 0, _argument(0)), (_EQUAL, 1, 0, _AF_UNIX), no_family, _give(_ALLOW)]
    terminal: Code = [(_LOAD, 0, 0, _argument(1))]
    for request in _TERMINAL_INPUT:
        terminal += [(_EQUAL, 0, 1, request), eperm]
    terminal.append(_give(_ALLOW))
    plain: Code = [(_LOAD, 0, 0, _argument(0))]
    for personality in _PLAIN_PERSONALITIES:
        plain += [(_EQUAL, 0, 1, personality), _give(_ALLOW)]
    plain.append(eperm)
    return [
        (_CLONE, _without_bits(_NEW_NAMESPACES)),
        (_UNSHARE, _without_bits(_NEW_NAMESPACES | _NEW_TIME)),
        (_CLONE3, [_refuse(errno.ENOSYS)]),  # its flags are in memory, where a filter cannot look: libc then uses clone
        (_SOCKET, families),
        (_SOCKETPAIR, pairs),
        (_IOCTL, terminal),
        (_PERSONALITY, plain),
    ]


def _without_bits(bits: int) -> Code:
    return [(_LOAD, 0, 0, _argument(0)), (_ANY_BIT, 0, 1, bits), _refuse(errno.EPERM), _give(_ALLOW)]


def _case(number: int, block: Code) -> Code:
    """`block` where the call is `number`. A block that judges ends in an answer, so nothing falls through."""
    return [(_EQUAL, 0, len(block), number), *block]


def _argument(index: int) -> int:
    """Offset of the low half of an argument; both machines are little-endian."""
    return 16 + 8 * index


def _give(value: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, value)


def _refuse(number: int) -> tuple[int, int, int, int]:
    return _give(0x00050000 | number)
