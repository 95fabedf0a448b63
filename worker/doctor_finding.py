"""One line of the doctor."""

from typing import Literal

from domain.base import Value


class Finding(Value):
    """`fail` stops the product, `warn` takes something from it. `fix` is a command or one sentence, empty for `ok`."""

    name: str
    level: Literal["ok", "warn", "fail"]
    cause: str
    fix: str = ""


def ok(name: str, cause: str) -> Finding:
    """Nothing to do."""
    return Finding(name=name, level="ok", cause=cause)


def warn(name: str, cause: str, fix: str) -> Finding:
    """It runs, with less."""
    return Finding(name=name, level="warn", cause=cause, fix=fix)


def fail(name: str, cause: str, fix: str) -> Finding:
    """It does not run like this."""
    return Finding(name=name, level="fail", cause=cause, fix=fix)
