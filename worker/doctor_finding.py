"""One line of the doctor."""

from domain.examination import Finding

__all__ = ["Finding", "fail", "ok", "warn"]


def ok(name: str, cause: str) -> Finding:
    """Nothing to do."""
    return Finding(name=name, level="ok", cause=cause)


def warn(name: str, cause: str, fix: str) -> Finding:
    """It runs, with less."""
    return Finding(name=name, level="warn", cause=cause, fix=fix)


def fail(name: str, cause: str, fix: str) -> Finding:
    """It does not run like this."""
    return Finding(name=name, level="fail", cause=cause, fix=fix)
