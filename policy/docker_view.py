"""What of the engine's answers a session sees: fields by an allow-list, texts redacted, values of secrets masked."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from domain.ids import LOCAL_NODE
from domain.inventory import Inventory, ServiceKind
from policy.masking import masked, masked_assignment, masked_command, masked_path, secret_name

Redact = Callable[[str], str]
Json = dict[str, Any]

# Containers of our own sessions and installations are never shown, whatever a repository declares.
OWN_LABELS = ("tiercel.session", "tiercel.installation")

_TOP = (
    "Id", "Created", "Path", "Args", "State", "Image", "Name", "RestartCount", "Driver", "Platform", "Mounts", "Config",
    "HostConfig", "NetworkSettings",
)  # fmt: skip
_CONFIG = (
    "Hostname", "User", "ExposedPorts", "Tty", "Env", "Cmd", "Image", "Volumes", "WorkingDir", "Entrypoint", "Labels",
    "Healthcheck", "StopSignal", "StopTimeout",
)  # fmt: skip
_HOST = (
    "Binds", "NetworkMode", "PortBindings", "RestartPolicy", "AutoRemove", "CapAdd", "CapDrop", "Memory", "MemorySwap",
    "MemoryReservation", "NanoCpus", "CpuShares", "CpuQuota", "CpuPeriod", "CpusetCpus", "PidsLimit", "ReadonlyRootfs",
    "Privileged", "SecurityOpt", "Tmpfs", "LogConfig", "ShmSize", "Init", "ExtraHosts", "Dns", "PidMode", "IpcMode",
    "UTSMode", "UsernsMode", "Ulimits", "OomKillDisable", "OomScoreAdj", "Runtime", "Isolation", "CgroupnsMode",
)  # fmt: skip
_NETWORK = ("Ports", "Networks", "IPAddress", "Gateway", "MacAddress", "SandboxID")
_STATE = ("Status", "Running", "Paused", "Restarting", "OOMKilled", "Dead", "Pid", "ExitCode", "Error", "StartedAt", "FinishedAt", "Health")  # fmt: skip
_LISTED = ("Id", "Names", "Image", "ImageID", "Command", "Created", "Ports", "Labels", "State", "Status", "HostConfig", "NetworkSettings", "Mounts")  # fmt: skip
_MOUNT = ("Type", "Name", "Source", "Destination", "Driver", "Mode", "RW", "Propagation")
_IMAGE = ("Id", "ParentId", "RepoTags", "Created", "Size", "VirtualSize", "SharedSize", "Containers")
_SECRET_VALUE = 6  # characters; shorter ones would tear holes into ordinary words


def visible_names(inventory: Inventory) -> frozenset[str]:
    """Names of the containers of this node that the inventory declares, as services or as the target of a probe."""
    targets = {
        s.target for s in inventory.services if s.kind is ServiceKind.CONTAINER and s.node == LOCAL_NODE and s.target
    }
    probed = {
        p.container for s in inventory.services if s.node == LOCAL_NODE for p in s.probes if p.kind == "container"
    }
    return frozenset(targets | probed)


def is_visible(names: Collection[str], labels: object, declared: frozenset[str]) -> bool:
    """Whether a container of these names and labels may be looked at."""
    own = isinstance(labels, Mapping) and any(label in labels for label in OWN_LABELS)
    return not own and any(name.lstrip("/") in declared for name in names)


def own_secrets(found: Json) -> tuple[str, ...]:
    """Values of the container's own variables that look secret: its logs may repeat them."""
    lines = _part(found, "Config").get("Env")
    pairs = (str(line).partition("=") for line in cast("list[Any]", lines if isinstance(lines, list) else []))
    return tuple(v for name, _, v in pairs if secret_name(name) and len(v) >= _SECRET_VALUE)


def shown_container(found: Json, redact: Redact) -> Json:
    """The answer of `inspect`."""
    config, host = _part(found, "Config"), _part(found, "HostConfig")
    kept = _only(found, _TOP) | {"State": _only(_part(found, "State"), _STATE)}
    kept["Mounts"] = _mounts(found)
    kept["Config"] = _only(config, _CONFIG)
    kept["HostConfig"] = _only(host, _HOST)
    kept["NetworkSettings"] = _only(_part(found, "NetworkSettings"), _NETWORK)
    if isinstance(host.get("LogConfig"), dict):
        kept["HostConfig"]["LogConfig"] = {"Type": host["LogConfig"].get("Type", ""), "Config": {}}
    shown: Json = masked(kept, redact)
    _commands(shown, found, config, redact)
    if isinstance(config.get("Env"), list):
        shown["Config"]["Env"] = [redact(masked_assignment(str(line))) for line in config["Env"]]
    if isinstance(host.get("Binds"), list):
        shown["HostConfig"]["Binds"] = [_bind(str(line), redact) for line in host["Binds"]]
    return shown


def _commands(shown: Json, found: Json, config: Json, redact: Redact) -> None:
    words = [str(found.get("Path", "")), *(str(a) for a in found.get("Args") or ())]
    clean = masked_command(words, redact)
    shown["Path"], shown["Args"] = clean[0], clean[1:]
    for name in ("Cmd", "Entrypoint"):
        if isinstance(config.get(name), list):
            shown["Config"][name] = masked_command([str(w) for w in config[name]], redact)
    test = _part(config, "Healthcheck").get("Test")
    if isinstance(test, list):
        shown["Config"]["Healthcheck"]["Test"] = masked_command([str(w) for w in cast("list[Any]", test)], redact)


def shown_listed(found: Json, redact: Redact) -> Json:
    """One row of the list of containers."""
    kept = _only(found, _LISTED) | {"Mounts": _mounts(found)}
    kept["HostConfig"] = _only(_part(found, "HostConfig"), ("NetworkMode",))
    shown: Json = masked(kept, redact)
    shown["Command"] = _line(program_of(str(found.get("Command", ""))), redact)
    return shown


def program_of(command: str) -> str:
    """A command line without its arguments: only `inspect` tells which of them are the container's own secrets."""
    program, _, arguments = command.strip().partition(" ")
    return f"{program} …" if arguments else program


def happened(action: str) -> str:
    """What an event tells; of a command that was run inside a container, as by a health check, only the program."""
    kind, colon, command = action.partition(": ")
    return f"{kind}: {program_of(command)}" if colon and kind.startswith("exec_") else action


def shown_processes(found: Json, redact: Redact) -> Json:
    """The answer of `top`. Its last column is the command line."""
    given = found.get("Processes")
    rows = [cast("list[Any]", r) for r in cast("list[Any]", given if isinstance(given, list) else []) if r]
    shown = [[*(str(c) for c in row[:-1]), _line(str(row[-1]), redact)] for row in rows]
    return {"Titles": found.get("Titles"), "Processes": shown}


def shown_image(found: Json) -> Json:
    """One row of the list of images."""
    return _only(found, _IMAGE) | {"Labels": None, "RepoDigests": []}


def _line(command: str, redact: Redact) -> str:
    """A command line. Redacted whole and by words: a key spreads over several, a flag's value is one."""
    return redact(" ".join(masked_command(redact(command).split(), redact)))


def wanted(row: Json, filters: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a masked row of the list passes the client's filters, each of which any of its values satisfies."""
    names = [str(n).lstrip("/") for n in row.get("Names") or ()]
    labels = _part(row, "Labels")
    tests: dict[str, Callable[[str], bool]] = {
        "name": lambda v: any(v.strip("^$/") in n for n in names),
        "id": lambda v: str(row.get("Id", "")).startswith(v),
        "status": lambda v: row.get("State") == v,
        "label": lambda v: bool(labels.get(v.partition("=")[0]) == v.partition("=")[2]) if "=" in v else v in labels,
    }
    return all(any(tests[name](v) for v in values) for name, values in filters.items() if values)


def shown_event(
    line: bytes, declared: frozenset[str], filters: Mapping[str, tuple[str, ...]], redact: Redact
) -> Json | None:
    """One event of a declared container, or None where a session may not see it or did not ask for it."""
    try:
        event: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict):
        return None
    found = cast("Json", event)
    actor = _part(found, "Actor")
    attributes = _part(actor, "Attributes")
    name, action = str(attributes.get("name", "")), str(found.get("Action", ""))
    if found.get("Type") != "container" or not is_visible([name], attributes, declared):
        return None
    tests: dict[str, Callable[[str], bool]] = {
        "type": lambda v: v == "container",
        "container": lambda v: v == name or str(actor.get("ID", "")).startswith(v),
        "event": lambda v: action.partition(":")[0] == v,
    }
    if not all(any(tests[n](v) for v in values) for n, values in filters.items() if values):
        return None
    shown: Json = masked(found, redact)
    for key in ("Action", "status"):
        if isinstance(found.get(key), str):
            shown[key] = _line(happened(str(found[key])), redact)
    return shown


def _mounts(found: Json) -> list[Json]:
    rows = found.get("Mounts")
    given = [cast("Json", m) for m in cast("list[Any]", rows if isinstance(rows, list) else []) if isinstance(m, dict)]
    return [{**(m := _only(row, _MOUNT)), "Source": _source(m)} for row in given]


def _source(mount: Json) -> str:
    hidden = masked_path(str(mount.get("Destination", ""))) != str(mount.get("Destination", ""))
    return masked_path(str(mount.get("Source", ""))) if not hidden else "***"


def _bind(line: str, redact: Redact) -> str:
    source, sep, rest = line.partition(":")
    return redact(f"{_source({'Source': source, 'Destination': re.split(':', rest)[0]})}{sep}{rest}")


def _only(found: Json, names: Collection[str]) -> Json:
    return {name: found[name] for name in names if name in found}


def _part(found: Json, name: str) -> Json:
    value = found.get(name)
    return cast("Json", value) if isinstance(value, dict) else {}
