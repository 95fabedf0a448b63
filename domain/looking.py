"""The tools that look: what a session may be offered, from which tier on, and within which bounds."""

from enum import StrEnum

from domain.base import Value


class Need(StrEnum):
    """What must be on the machine, or the tool is not offered."""

    NOTHING = "nothing"
    DOCKER = "a Docker engine"
    UNITS = "systemd, or a service manager (TIERCEL_UNITS_SOCKET)"
    JOURNAL = "systemd with its journal"
    LINUX = "Linux's /proc"


class LookingTool(Value):
    """One read-only tool. `does` is read by the model, by people and by the docs alike."""

    name: str
    does: str
    lowest_tier: int = 1
    why: str = "it shows state only"  # why not from a lower tier on, or why from the first
    needs: Need = Need.NOTHING
    timeout_s: float = 10.0
    max_bytes: int = 16_000  # of one answer, after redaction


_OWNERS_DATA = "it shows the owner's data, which a first look does not need"
_WHOLE_MACHINE = "it shows programs of the whole machine, which a first look does not need"

LOOKING_TOOLS: tuple[LookingTool, ...] = (
    LookingTool(
        name="services", does="All services with their state, dependencies and allowed action kinds.", timeout_s=30
    ),
    LookingTool(name="probe", does="Run the probes of one service now.", timeout_s=120),
    LookingTool(name="logs", does="The newest log lines of one service.", timeout_s=30),
    LookingTool(
        name="container_state",
        does="One container: state, health, restarts, image, ports, mounts, limits. Secrets are masked.",
        needs=Need.DOCKER,
    ),
    LookingTool(
        name="container_logs",
        does="Log lines of one container, by age, number and a word that they must hold.",
        needs=Need.DOCKER,
        timeout_s=20,
    ),
    LookingTool(
        name="container_stats",
        does="Processor, memory, network and disk use of one container now.",
        needs=Need.DOCKER,
        max_bytes=4_000,
    ),
    LookingTool(
        name="container_events",
        does="What the engine did with the declared containers lately: starts, ends, kills, lack of memory.",
        needs=Need.DOCKER,
    ),
    LookingTool(
        name="compose_config",
        does="The definition of one service in its compose file, variables filled in. Secrets are masked.",
    ),
    LookingTool(
        name="http_get",
        does="GET a declared web address, or /health, /status, /metrics and the like of it. Redirects are not followed.",
        timeout_s=15,
    ),
    LookingTool(name="dns_lookup", does="Resolve a declared name.", max_bytes=4_000),
    LookingTool(name="tls_certificate", does="The certificate that a declared address shows now.", max_bytes=8_000),
    LookingTool(
        name="disk_usage",
        does="Size, use and inodes of this machine's mount points.",
        needs=Need.LINUX,
        timeout_s=5,
        max_bytes=8_000,
    ),
    LookingTool(
        name="processes",
        does="The programs that use most processor or memory on this machine.",
        lowest_tier=2,
        why=_WHOLE_MACHINE,
        needs=Need.LINUX,
        max_bytes=8_000,
    ),
    LookingTool(name="unit_status", does="The state of one declared unit.", needs=Need.UNITS, max_bytes=4_000),
    LookingTool(
        name="journal",
        does="Lines of the system journal of one declared unit, by age, number and a word that they must hold.",
        needs=Need.JOURNAL,
        timeout_s=15,
    ),
    LookingTool(
        name="sql_read",
        does="One SELECT on a declared Postgres database, in a read-only transaction, by a role that can only read.",
        lowest_tier=2,
        why=_OWNERS_DATA,
        timeout_s=15,
    ),
)

LOOKING_NAMES = tuple(tool.name for tool in LOOKING_TOOLS)


def looking_tool(name: str) -> LookingTool | None:
    """The tool of exactly this name."""
    return next((tool for tool in LOOKING_TOOLS if tool.name == name), None)
