"""What compose may be asked to apply. Compose's plugin is in no registry here, so a program stands in its place that
answers `config` as the plugin documents it; what is tested is our rule, not compose."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.actions.compose import Compose
from adapters.actions.container_client import RefusedError
from domain.inventory import ComposeRef

PLAIN: dict[str, Any] = {"image": "web:1", "volumes": [{"type": "volume", "source": "data", "target": "/d"}]}


def plugin(folder: Path, services: dict[str, Any], config_hash: str = "h1", up: int = 0) -> Compose:
    (folder / "definition.json").write_text(json.dumps({"name": "shop", "services": services}))
    program = folder / "docker"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\n'
        'case "$*" in\n'
        f'  *"config --hash"*) echo "web {config_hash}";;\n'
        f'  *"config --format json"*) cat {folder}/definition.json;;\n'
        f'  *" up "*) echo done; exit {up};;\n'
        "esac\n"
    )
    program.chmod(0o755)
    return Compose(binary=str(program))


def ref(folder: Path) -> ComposeRef:
    (folder / "compose.yaml").write_text("services: {}")
    return ComposeRef(project="shop", service="web", file=str(folder / "compose.yaml"))


def container(project: str = "shop", config_hash: str = "h1") -> dict[str, Any]:
    labels = {"com.docker.compose.project": project, "com.docker.compose.config-hash": config_hash}
    return {"Id": "c" * 64, "Config": {"Labels": labels}}


async def test_only_the_definition_that_the_owner_ran_is_applied(tmp_path: Path):
    compose, where = plugin(tmp_path, {"web": PLAIN}), ref(tmp_path)
    assert await compose.why_not(where, container()) == ""
    assert "not the one" in await compose.why_not(where, container(config_hash="changed"))
    assert "not made by the compose project" in await compose.why_not(where, container(project="other"))


async def test_a_changed_hash_without_a_label_is_refused(tmp_path: Path):
    compose = plugin(tmp_path, {"web": PLAIN})
    bare = {"Id": "c", "Config": {"Labels": {"com.docker.compose.project": "shop"}}}
    assert "not the one" in await compose.why_not(ref(tmp_path), bare)


@pytest.mark.parametrize(
    ("asks", "words"),
    [
        ({"privileged": True}, "privileged"),
        ({"volumes": [{"type": "bind", "source": "/", "target": "/host"}]}, "the host's /"),
        ({"network_mode": "host"}, "network_mode: host"),
        ({"pid": "host"}, "pid"),
        ({"cap_add": ["SYS_ADMIN"]}, "cap_add"),
        ({"devices": ["/dev/sda"]}, "devices"),
        ({"build": {"context": "."}}, "build"),
    ],
)
async def test_a_missing_container_is_not_created_with_power_over_the_host(
    tmp_path: Path, asks: dict[str, Any], words: str
):
    reason = await plugin(tmp_path, {"web": {**PLAIN, **asks}}).why_not(ref(tmp_path), None)
    assert words in reason
    assert "by hand" in reason


async def test_a_missing_plain_container_may_be_created(tmp_path: Path):
    assert await plugin(tmp_path, {"web": PLAIN}).why_not(ref(tmp_path), None) == ""
    assert "declares no service" in await plugin(tmp_path, {}).why_not(ref(tmp_path), None)


async def test_what_shares_its_network_is_recreated_with_it(tmp_path: Path):
    compose = plugin(tmp_path, {"web": PLAIN, "side": {"network_mode": "service:web"}, "other": {}})
    assert await compose.up(ref(tmp_path), force=True) == "compose up of web, side"
    last = (tmp_path / "calls").read_text().splitlines()[-1]
    assert last.endswith("up --detach --no-deps --no-build --force-recreate web side")


async def test_a_failing_up_says_what_compose_said(tmp_path: Path):
    with pytest.raises(RefusedError, match="exit code 5: done"):
        await plugin(tmp_path, {"web": PLAIN}, up=5).up(ref(tmp_path), force=False)


async def test_without_the_plugin_it_is_not_available(tmp_path: Path):
    assert not await Compose(binary=str(tmp_path / "none")).available()
