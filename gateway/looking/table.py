"""Which function is which tool, and how a session calls it: arguments checked, time and size bounded, audited."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog
from pydantic import BaseModel, ValidationError

from domain.errors import TransientError
from domain.inventory import Inventory
from domain.looking import LookingTool
from gateway.docker_engine import EngineAwayError, EngineSaysNoError
from gateway.looking import compose_config, containers, machine, sql, units, web
from gateway.looking.sight import NotHereError, Sight
from gateway.observer import ToolAnswer
from policy.text import printable, sendable

log = structlog.get_logger("gateway.looking")
Run = Callable[[Any, Sight, Inventory], Awaitable[str]]

RUNS: dict[str, tuple[type[BaseModel], Run]] = {
    "container_state": (containers.OneContainer, containers.state),
    "container_logs": (containers.ContainerLogs, containers.logs),
    "container_stats": (containers.OneContainer, containers.stats),
    "container_events": (containers.ContainerEvents, containers.events),
    "compose_config": (compose_config.OneService, compose_config.config),
    "http_get": (web.Page, web.get),
    "dns_lookup": (web.Name, web.lookup),
    "tls_certificate": (web.Certificate, web.certificate),
    "disk_usage": (machine.Nothing, machine.disks),
    "processes": (machine.Processes, machine.processes),
    "unit_status": (units.OneUnit, units.status),
    "journal": (units.Journal, units.journal),
    "sql_read": (sql.Query, sql.read),
}


def schema(name: str) -> dict[str, Any]:
    """The arguments of a tool as JSON Schema."""
    return cast("dict[str, Any]", _plain(RUNS[name][0].model_json_schema()))


async def run(tool: LookingTool, arguments: Mapping[str, Any], sight: Sight, inventory: Inventory) -> ToolAnswer:
    """Never raises: what goes wrong is said in words. Raises ValidationError for wrong arguments."""
    model, look = RUNS[tool.name]
    asked = model.model_validate(arguments)
    try:
        async with asyncio.timeout(tool.timeout_s):
            text = await look(asked, sight, inventory)
    except NotHereError as e:
        return _answer(tool, sight, str(e), fault=True)
    except TimeoutError:
        return _answer(
            tool, sight, f"No answer within {tool.timeout_s:g} s. Ask for less, or look another way.", fault=True
        )
    except (EngineAwayError, EngineSaysNoError, TransientError) as e:
        return _answer(tool, sight, f"Cannot be looked at now: {e}", fault=True)
    return _answer(tool, sight, text, fault=False)


def target_of(arguments: Mapping[str, Any]) -> str:
    """What a call looks at, for the audit, before anything of it is trusted."""
    if isinstance(url := arguments.get("url"), str):
        return web.shown_url(url[:1_000])
    parts = [str(arguments[n]) for n in ("service", "name", "host", "port", "query") if n in arguments]
    return sendable(printable(" ".join(parts)))[:1_000] or "-"


def explain(e: ValidationError) -> str:
    """The first thing that is wrong with the arguments."""
    first = e.errors()[0]
    where = ".".join(str(part)[:40] for part in first["loc"]) or "arguments"
    return f"invalid arguments: {where}: {first['msg'][:200]}"


def _answer(tool: LookingTool, sight: Sight, text: str, *, fault: bool) -> ToolAnswer:
    clean = sight.redact(printable(sendable(text)))
    raw = clean.encode("utf-8", "replace")
    if len(raw) > tool.max_bytes:
        kept = raw[: tool.max_bytes].decode("utf-8", "ignore")
        clean = f"{kept}\n... cut: {len(raw)} bytes, {tool.max_bytes} are shown; ask for less"
    return ToolAnswer(text=clean, fault=fault)


def _plain(value: Any) -> Any:
    """Without what only machines need: it is read by a model, and every word costs."""
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        drop = {"title", "description"} if "properties" in given else {"title"}
        return {k: _plain(v) for k, v in given.items() if k not in drop or not isinstance(v, str)}
    return [_plain(v) for v in cast("list[Any]", value)] if isinstance(value, list) else value
