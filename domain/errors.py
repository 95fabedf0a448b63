"""Faults. The class says whether a repetition can help; the message says what to do about it."""


class TiercelError(Exception):
    """Base of all faults that we raise on purpose."""


class FatalError(TiercelError):
    """Repeating changes nothing: bad input, missing credential, a refusal."""


class TransientError(TiercelError):
    """Repeating later may help: a lost connection, a busy server. `retry_after_s` is the earliest sense."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ConfigurationError(FatalError):
    """A setting or a declared file is wrong. The message names the field and the fix."""


class UnknownServiceError(FatalError):
    """The name resolves to no service of the inventory."""


class OldSchemaError(FatalError):
    """The database schema is not the one this code needs."""


class CannotIsolateError(FatalError):
    """No engine here can isolate a session, and the session needs it."""


class RecordUnavailableError(TransientError):
    """The record (Postgres) cannot be reached. Nothing may act until it is back: no record, no effect."""


class EngineUnavailableError(TransientError):
    """The workflow engine (Temporal) cannot be reached."""


class UnknownOutcomeError(TransientError):
    """An effect was begun and its outcome is not known. Never repeat it: look (reconcile)."""
