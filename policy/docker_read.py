"""What of the Docker API a session may read: judged on the request as it was sent, before anything is decoded.

Nothing that a client wrote is passed on: a request becomes a `DockerRead`, and what the engine is asked is written anew
from it. So a spelling that is understood here in one way and by the engine in another does not exist.
"""

import json
import re
from typing import Any, Literal, cast
from urllib.parse import unquote_plus, urlencode

from domain.base import Value

Kind = Literal["ping", "version", "list", "inspect", "logs", "stats", "top", "events", "images"]
Sort = Literal["flag", "tail", "time", "count", "filters", "columns"]

MAX_TARGET = 4_000  # characters of path and query
MAX_TAIL = 2_000
_VERSION = r"(?P<version>/v1\.(?:2[4-9]|[3-9][0-9]))?"
_CONTAINER = r"(?P<container>[A-Za-z0-9][A-Za-z0-9_.-]{0,127})"
_TARGET = re.compile(
    rf"{_VERSION}/(?:(?P<plain>_ping|version|events|containers/json|images/json)"
    rf"|containers/{_CONTAINER}/(?P<part>json|logs|stats|top))",
    re.ASCII,
)
_PLAIN: dict[str, Kind] = {
    "_ping": "ping", "version": "version", "events": "events", "containers/json": "list", "images/json": "images",
}  # fmt: skip
_PARTS: dict[str, Kind] = {"json": "inspect", "logs": "logs", "stats": "stats", "top": "top"}
_QUERY: dict[Kind, dict[str, Sort]] = {
    "ping": {},
    "version": {},
    "list": {"all": "flag", "limit": "count", "size": "flag", "filters": "filters", "trunc_cmd": "flag"},
    "inspect": {"size": "flag"},
    "logs": {
        "stdout": "flag", "stderr": "flag", "timestamps": "flag", "follow": "flag", "details": "flag", "tail": "tail",
        "since": "time", "until": "time",
    },
    "stats": {"stream": "flag", "one-shot": "flag"},
    "top": {"ps_args": "columns"},
    "images": {"all": "flag", "digests": "flag", "shared-size": "flag", "manifests": "flag"},
    "events": {"since": "time", "until": "time", "filters": "filters"},
}  # fmt: skip
_NEVER_TRUE = {
    ("logs", "follow"): "logs cannot be followed here; ask again with --since",
    ("logs", "details"): "log details are not shown here",
    ("list", "size"): "sizes are not shown here",
    ("inspect", "size"): "sizes are not shown here",
}
_FILTERS: dict[Kind, frozenset[str]] = {
    "list": frozenset({"name", "id", "status", "label"}),
    "events": frozenset({"type", "container", "event"}),
}
_SHAPES: dict[Sort, re.Pattern[str]] = {
    "flag": re.compile(r"|0|1|true|false|True|False"),
    "tail": re.compile(r"all|[0-9]{1,9}"),
    "time": re.compile(r"|-?[0-9]{1,12}(?:\.[0-9]{1,9})?"),
    "count": re.compile(r"|-1|[0-9]{1,6}"),
    "columns": re.compile(r"|-ef|aux"),  # others of ps show a process's environment
}
_ID = re.compile(r"[0-9a-f]{64}")


class DockerRead(Value):
    """One allowed question. `container` is what the client called it; `query` holds checked values only."""

    kind: Kind
    version: str = ""  # "" or "/v1.41"
    container: str = ""
    query: dict[str, str] = {}
    filters: dict[str, tuple[str, ...]] = {}

    def flag(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.query.get(name, "") in {"1", "true", "True"}


class DockerRefusal(Value):
    """Why a request goes no further. `status` as Docker would give it."""

    status: int
    message: str


def judge(method: str, target: str) -> DockerRead | DockerRefusal:
    """`target`: path and query exactly as they stand in the request line, without the door's own prefix."""
    if method not in {"GET", "HEAD"}:
        return DockerRefusal(
            status=403, message=f"refused: {method[:20]} changes something, and this API can only look"
        )
    if len(target) > MAX_TARGET or not target.isascii() or not target.isprintable():
        return DockerRefusal(status=400, message="refused: the address is too long or holds unusual characters")
    path, asked, query = target.partition("?")
    found = _TARGET.fullmatch(path)
    if found is None:
        return DockerRefusal(
            status=403, message="refused: this API offers ps, inspect, logs, stats, top, events and images only"
        )
    kind = _PLAIN[found["plain"]] if found["plain"] else _PARTS[found["part"]]
    if method == "HEAD" and kind != "ping":
        return DockerRefusal(status=403, message="refused: HEAD is for _ping only")
    read = DockerRead(kind=kind, version=found["version"] or "", container=found["container"] or "")
    return _with_query(read, query) if asked else read


def _with_query(read: DockerRead, query: str) -> DockerRead | DockerRefusal:
    known, values = _QUERY[read.kind], dict[str, str]()
    for part in query.split("&") if query else ():
        name, _, raw = part.partition("=")
        if name not in known or name in values:
            return _wrong(f"{name[:30]!r} is not offered for {read.kind}, or given twice")
        value = unquote_plus(raw, errors="strict") if _decodable(raw) else "\0"
        shape = _SHAPES.get(known[name])
        if shape is not None and shape.fullmatch(value) is None:
            return _wrong(f"{name} has a value that is not understood; use what the docker command sends")
        values[name] = value
    filters = _filters(read.kind, values.pop("filters", ""))
    if isinstance(filters, DockerRefusal):
        return filters
    judged = read.model_copy(update={"query": values, "filters": filters})
    refused = next(
        (words for (kind, name), words in _NEVER_TRUE.items() if kind == read.kind and judged.flag(name)), ""
    )
    return _wrong(refused) if refused else judged


def _decodable(raw: str) -> bool:
    if re.search(r"%(?![0-9A-Fa-f]{2})", raw):
        return False
    try:
        unquote_plus(raw, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def _filters(kind: Kind, text: str) -> dict[str, tuple[str, ...]] | DockerRefusal:
    if not text:
        return {}
    try:
        raw: Any = json.loads(text)
    except (ValueError, RecursionError):
        return _wrong("filters are not JSON")
    if not isinstance(raw, dict):
        return _wrong("filters are not a JSON object")
    found: dict[str, tuple[str, ...]] = {}
    for name, given in cast("dict[str, Any]", raw).items():
        if name not in _FILTERS.get(kind, frozenset()):
            return _wrong(f"the filter {name[:30]!r} is not offered; use {', '.join(sorted(_FILTERS[kind]))}")
        values = list(cast("dict[str, Any]", given)) if isinstance(given, dict) else given
        if not isinstance(values, list) or len(cast("list[Any]", values)) > 20:
            return _wrong(f"the filter {name} is not understood")
        found[name] = tuple(str(v)[:200] for v in cast("list[Any]", values))
    return found


def _wrong(message: str) -> DockerRefusal:
    return DockerRefusal(status=400, message=f"refused: {message}")


def upstream_path(read: DockerRead, container_id: str = "", now: int = 0) -> str:
    """What the engine is asked. `container_id`: the full id that the container was found to have.

    `now`: seconds since 1970, for the end of a list of events that names none.
    """
    if read.container and _ID.fullmatch(container_id) is None:
        raise ValueError("a container is asked for by its full id only")
    match read.kind:
        case "ping":
            return "/_ping"
        case "version":
            return f"{read.version}/version"
        case "list":
            # Everything: filters are applied to what is left after masking, or they could tell what is masked.
            return f"{read.version}/containers/json?all=1"
        case "images":
            return f"{read.version}/images/json"
        case "top":
            return f"{read.version}/containers/{container_id}/top?ps_args={read.query.get('ps_args') or '-ef'}"
        case "inspect":
            return f"{read.version}/containers/{container_id}/json"
        case "stats":
            one_shot = "&one-shot=1" if read.flag("one-shot") else ""
            return f"{read.version}/containers/{container_id}/stats?stream=0{one_shot}"
        case "logs":
            return f"{read.version}/containers/{container_id}/logs?{urlencode(_log_query(read))}"
        case "events":
            times = {name: value for name in ("since", "until") if (value := read.query.get(name))}
            filters = json.dumps({"type": ["container"]}, separators=(",", ":"))
            return f"{read.version}/events?{urlencode({'until': str(now), **times, 'filters': filters})}"


def _log_query(read: DockerRead) -> dict[str, str]:
    tail = read.query.get("tail", "all")
    kept = {name: value for name in ("since", "until") if (value := read.query.get(name))}
    flags = {name: "1" for name in ("stdout", "stderr", "timestamps") if read.flag(name)}
    return {**flags, **kept, "follow": "0", "tail": str(MAX_TAIL if tail == "all" else min(int(tail), MAX_TAIL))}
