"""Replaces a container by a new one of the same definition, where that loses nothing."""

import re
from contextlib import suppress
from typing import Any

from adapters.actions.container_client import ContainerClient, NotReachedError, RefusedError

STOP_S = 10
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


def why_not_replace(found: dict[str, Any]) -> str:
    """Why a replacement would lose data or somebody's network; empty where it would not."""
    host: dict[str, Any] = found.get("HostConfig") or {}
    mounts: list[dict[str, Any]] = found.get("Mounts") or []
    if host.get("AutoRemove"):
        return "the container removes itself when it stops, so there would be no way back; recreate it by hand"
    if any(m.get("Type") == "volume" and _ANONYMOUS.fullmatch(str(m.get("Name", ""))) for m in mounts):
        return "its data lie in an unnamed volume, which a new container would not get; recreate it by hand"
    if str(host.get("NetworkMode", "")).startswith("container:"):
        return "it shares another container's network; recreate that one's stack with compose"
    if host.get("Links"):
        return "it uses links, which cannot be carried over; recreate it by hand"
    return ""


async def replace_container(client: ContainerClient, found: dict[str, Any]) -> str:
    """New one created, old one stopped and set aside, new one started; on failure the old one is put back.

    The old one is removed only when the new one runs. Volumes are never removed.
    """
    old, name = str(found["Id"]), str(found["Name"]).lstrip("/")
    aside = f"{name}-replaced-{old[:8]}"
    state: dict[str, Any] = found.get("State") or {}
    was_running = bool(state.get("Running"))
    await client.act(lambda api: api.rename(old, aside))
    new = ""
    try:
        created: dict[str, Any] = await client.act(
            lambda api: api.create_container_from_config(_definition(found), name)
        )
        new = str(created["Id"])
        await _join_networks(client, found, new)
        if was_running:
            await client.act(lambda api: api.stop(old, timeout=STOP_S))
        await client.act(lambda api: api.start(new))
    except (RefusedError, NotReachedError):
        await _put_back(client, old, name, new, start=was_running)
        raise
    with suppress(RefusedError, NotReachedError):
        await client.act(lambda api: api.remove_container(old, v=False))
    return f"replaced by a new container of the same definition ({new[:12]})"


def _definition(found: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = dict(found.get("Config") or {})
    if str(config.get("Hostname", "")) == str(found["Id"])[:12]:
        config.pop("Hostname")  # it was the old container's id
    networks = _networks(found)
    first = dict(list(networks.items())[:1])
    return {**config, "HostConfig": found.get("HostConfig") or {}, "NetworkingConfig": {"EndpointsConfig": first}}


def _networks(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    host: dict[str, Any] = found.get("HostConfig") or {}
    if host.get("NetworkMode") in {"none", "host", "bridge", "default"}:
        return {}
    settings: dict[str, Any] = found.get("NetworkSettings") or {}
    rows: dict[str, dict[str, Any]] = settings.get("Networks") or {}
    short = str(found["Id"])[:12]
    return {
        name: {"Aliases": _aliases(row, short), "IPAMConfig": row.get("IPAMConfig") or {}} for name, row in rows.items()
    }


def _aliases(row: dict[str, Any], short: str) -> list[str]:
    aliases: list[str] = row.get("Aliases") or []
    return [a for a in aliases if a != short]


async def _join_networks(client: ContainerClient, found: dict[str, Any], new: str) -> None:
    for network, row in list(_networks(found).items())[1:]:
        await client.act(lambda api, n=network, r=row: api.connect_container_to_network(new, n, aliases=r["Aliases"]))


async def _put_back(client: ContainerClient, old: str, name: str, new: str, *, start: bool) -> None:
    if new:
        with suppress(RefusedError, NotReachedError):
            await client.act(lambda api: api.remove_container(new, force=True, v=False))
    with suppress(RefusedError, NotReachedError):
        await client.act(lambda api: api.rename(old, name))
    if start:
        with suppress(RefusedError, NotReachedError):
            await client.act(lambda api: api.start(old))
