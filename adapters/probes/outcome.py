"""What one kind of probe hands to the runner, before time, name and service are added."""

import re
from dataclasses import dataclass

from domain.health import ProbeStatus

EVIDENCE_BYTES = 2000
SUMMARY_CHARS = 200
RAW_CHARS = 8000  # evidence is cut to this before redaction, so that a huge body costs nothing

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Outcome:
    """`identity` is who answered: a cluster id, container id, run id, process."""

    status: ProbeStatus
    summary: str
    evidence: str = ""
    identity: str = ""


def ok(summary: str, evidence: str = "", identity: str = "") -> Outcome:
    """The service answered as declared."""
    return Outcome(ProbeStatus.OK, summary, evidence, identity)


def warn(summary: str, evidence: str = "", identity: str = "") -> Outcome:
    """The service works, but a bound is near or passed."""
    return Outcome(ProbeStatus.WARN, summary, evidence, identity)


def fail(summary: str, evidence: str = "", identity: str = "") -> Outcome:
    """The service does not do what was declared."""
    return Outcome(ProbeStatus.FAIL, summary, evidence, identity)


def error(summary: str, evidence: str = "") -> Outcome:
    """The probe itself could not run. Says nothing about the service."""
    return Outcome(ProbeStatus.ERROR, summary, evidence)


def one_line(text: str, limit: int = SUMMARY_CHARS) -> str:
    """Printable text on one line."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def block(text: str, limit_bytes: int = EVIDENCE_BYTES) -> str:
    """Printable text without control characters, at most `limit_bytes` of UTF-8."""
    lines = (line.rstrip() for line in _CONTROL.sub("", text.replace("\r\n", "\n")).split("\n"))
    plain = "\n".join(line for line in lines if line)
    raw = plain.encode("utf-8", "replace")
    if len(raw) <= limit_bytes:
        return raw.decode("utf-8")
    return raw[: limit_bytes - 3].decode("utf-8", "ignore") + "…"
