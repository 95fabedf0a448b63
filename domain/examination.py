"""Looking whether a part works: what was found, and what to do about it."""

from typing import Literal

from domain.base import Value

# What only the worker can reach. The web process has no address to send to, no credential and no Docker.
CHANNELS = "channels"
MODEL = "model"
ISOLATION = "isolation"


class Finding(Value):
    """`fail` stops the product, `warn` takes something from it. `fix` is a command or one sentence, empty for `ok`."""

    name: str
    level: Literal["ok", "warn", "fail"]
    cause: str
    fix: str = ""


class ExaminationOrder(Value):
    """Have one part looked at. `key` is this look's own; a message that it sends carries it."""

    part: str
    key: str


class Examination(Value):
    """What was found."""

    findings: tuple[Finding, ...] = ()
