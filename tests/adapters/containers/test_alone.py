"""Where there is no control group: what the kernel bounds of each process, also of one that does not listen."""

import signal
import subprocess
import sys

import pytest

from adapters.containers.spawn import bound_alone

A_GIGABYTE = 1 << 30
SPIN = "while True: pass"


def _ran(program: str, memory_bytes: int, processor_s: int) -> int:
    def bound() -> None:
        bound_alone(memory_bytes, processor_s)

    command = [sys.executable, "-I", "-S", "-c", program]
    return subprocess.run(command, preexec_fn=bound, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("program", "code"),
    [
        (SPIN, -signal.SIGXCPU),
        (f"import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n{SPIN}", -signal.SIGKILL),
        ("import time; time.sleep(0.1)", 0),
    ],
    ids=["spins", "does not listen", "waits"],
)
def test_a_process_ends_with_its_processor_time(program: str, code: int) -> None:
    assert _ran(program, A_GIGABYTE, 1) == code


def test_a_process_gets_no_more_memory_than_its_bound() -> None:
    assert _ran("x = bytearray(2 << 30)", A_GIGABYTE, 60) == 1, "a MemoryError, and nothing else"
