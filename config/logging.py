"""Logs: one line per event on standard error, for people or as JSON, without secrets.

Lines are written by a thread of their own. A reader that stops reading must not stop us, and a blocked write inside
a workflow would count as a deadlock there.
"""

import atexit
import logging
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TextIO, cast
from urllib.parse import unquote, urlsplit

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from config.settings import Settings
from domain.errors import TiercelError
from policy.redaction import MASK, redactor

Redact = Callable[[str], str]

_SECRET_KEY = re.compile(
    r"(?i)(password|passwd|secret|api_?key|authorization|credential_value|oauth_token|access_token)$"
)
_QUIET = (
    "asyncio",
    "urllib3",
    "apprise",
    "httpx",
    "httpcore",
    "aiohttp.access",
    "docker",
    "uvicorn.access",
    "uvicorn.error",  # its start and its "Press CTRL+C" are about one of five processes, which say it themselves
    "psycopg.pool",
)
_QUEUE_LINES = 20_000
PROBE_SECRETS = "TIERCEL_PROBE_"  # passwords that the inventory names and does not hold


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one module. Works before `configure` as well."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def secrets_of(settings: Settings, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Every secret value that a process may know, for redaction: of settings, in addresses, and of probes."""
    fields = (getattr(settings, name) for name in type(settings).model_fields)
    values = [field.get_secret_value() for field in fields if isinstance(field, SecretStr)]
    env = os.environ if environ is None else environ
    values += [value for name, value in env.items() if name.startswith(PROBE_SECRETS)]
    parts = [part for value in values for part in (value, *re.split(r"[\s,]+", value)) if part]
    return tuple(dict.fromkeys((*parts, *(p for part in parts for p in _passwords(part)))))


def _passwords(text: str) -> list[str]:
    """The password inside of an address, as it is written and as it is meant."""
    try:
        password = urlsplit(text).password or ""
    except ValueError:
        return []
    return [p for p in (password, unquote(password)) if p]


def configure(
    settings: Settings,
    process: str,
    *,
    redact: Redact | None = None,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Set up logging of this process. `redact` replaces the usual redaction of known and secret-looking values."""
    clean = redact or redactor((*secrets_of(settings), *secrets))
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([] if settings.log_level == "debug" else [_fault_in_words]),
            structlog.processors.format_exc_info,
            _without_secrets(clean),
            *_rendering(settings, process),
        ],
    )
    _replace_handlers(_ThreadedHandler(stream or sys.stderr, formatter), settings.log_level.upper())


def _fault_in_words(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A fault of ours says in one line what is wrong and what to do; its traceback would bury that (not in debug)."""
    info: object = event.get("exc_info")
    error = (
        cast("tuple[object, ...]", info)[1] if isinstance(info, tuple) else sys.exc_info()[1] if info is True else info
    )
    fault = error if isinstance(error, TiercelError) else getattr(error, "__cause__", None)
    if not isinstance(fault, TiercelError):
        return event
    return {**{key: value for key, value in event.items() if key != "exc_info"}, "error": str(fault)}


def _rendering(settings: Settings, process: str) -> list[Processor]:
    time = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")
    if settings.log_json:
        return [time, _named(process), structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [*([time] if settings.log_time else []), _as_line]


def _as_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """`time level event key=value ... (module)`, one line; a traceback follows on lines of its own."""
    time, level, name = event.pop("at", ""), event.pop("level", "info"), event.pop("logger", "")
    trace = event.pop("exception", "")
    text = str(event.pop("event", ""))
    fields = " ".join(f"{key}={_field(value)}" for key, value in event.items())
    line = " ".join(part for part in (time, f"{level:<7}", text, fields, f"({name})" if name else "") if part)
    return f"{line}\n{trace}" if trace else line


def _field(value: object) -> str:
    text = str(value)
    return repr(text) if not text or re.search(r"[\s\"']", text) else text


def _named(process: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**event, "process": process}

    return add


def _without_secrets(redact: Redact) -> Processor:
    def clean(value: object, key: str = "") -> object:
        if isinstance(value, str):
            return MASK if value and _SECRET_KEY.search(key) else redact(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {str(k): clean(v, str(k)) for k, v in cast("Mapping[object, object]", value).items()}
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            return [clean(v, key) for v in cast("Sequence[object]", value)]
        return redact(str(value))

    def process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: clean(value, key) for key, value in event.items()}

    return process


def _replace_handlers(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    for old in tuple(root.handlers):
        if isinstance(old, _ThreadedHandler):
            root.removeHandler(old)
            old.close()
    root.addHandler(handler)
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.captureWarnings(capture=True)


class _ThreadedHandler(logging.Handler):
    """Formats in the caller, writes in a thread. Full queue: lines are dropped and the loss is said."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(_QUEUE_LINES)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._lost += 1
        except Exception:  # noqa: BLE001 (a log line must never break what it describes)
            self.handleError(record)

    def close(self) -> None:
        atexit.unregister(self.close)
        if self._thread.is_alive():
            self._lines.put(None)
            self._thread.join(timeout=2)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            lost, self._lost = self._lost, 0
            try:
                self._stream.write(
                    f"warning {lost} log lines were lost: nobody read them\n{line}\n" if lost else f"{line}\n"
                )
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                continue  # the reader is gone; there is nobody to tell
