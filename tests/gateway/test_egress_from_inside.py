"""The way out as a session's own programs have it, in both engines: shown by what arrives outside."""

import json
from pathlib import Path
from typing import Any

import pytest

from claude.argv import SessionPlan, command
from domain.health import HttpProbe
from domain.inventory import Inventory
from domain.ports import SessionFolder
from domain.session import TierSettings
from tests.adapters.containers.conftest import BOTH, Bench, Make, bench, docker_engine, make
from tests.support import gateway
from tests.support.gateway import WEB
from tests.support.outside import outside

__all__ = ["BOTH", "Make", "bench", "docker_engine", "make"]  # the fixtures of both engines

INSIDE = Path(__file__).with_name("inside.py")
LIST = ("good.example", "meta.example", "git.lan:3000")


def environment(bench: Bench, session: Any, domains: tuple[str, ...]) -> dict[str, str]:
    """What the product itself would give to a session."""
    tier = TierSettings(tier=2, name="t", model="m", timeout_s=60, max_turns=5, budget_usd=1)
    config = SessionFolder(root=bench.sessions / session).claude_config
    plan = SessionPlan(
        session=session, tier=tier, system_prompt="x", prompt="x", report_schema={}, credential_kind="api_key",
        claude_config=config, domains=domains,
    )  # fmt: skip
    return command(plan).env


@pytest.mark.parametrize("domains", [LIST, ()], ids=["list", "no-list"])
async def test_a_program_inside_reaches_the_names_on_its_list_and_nothing_else(
    bench: Bench, tmp_path: Path, domains: tuple[str, ...]
):
    shared = tmp_path / "shared"
    shared.mkdir()
    async with outside(shared) as place, gateway.room(tmp_path, outside=place.world) as room:
        place.world.names |= {"meta.example": ("169.254.169.254",), "git.lan": ("192.168.7.7",)}
        probe = HttpProbe(url="http://git.lan:3000/")
        room.records.inventory = Inventory(services=(WEB.model_copy(update={"probes": (probe,)}),))
        launch = bench.launch("")
        await room.open(session=launch.session, domains=domains)
        (shared / "inside.py").write_bytes(INSIDE.read_bytes())
        tmp_path.chmod(0o755)
        env = {**environment(bench, launch.session, domains), "SSL_CERT_FILE": str(place.authority)}
        script = f"exec python3 {shared}/inside.py {place.authority}"
        ready = launch.model_copy(update={"argv": ("-c", script), "env": env, "read_only": (shared,)})
        handle = await bench.engine.start_or_attach(ready)
        state = await bench.end(handle, 60)
        said = (await bench.output(handle)).decode()
        assert state.code == 0, (said, state)
        got: dict[str, str] = json.loads(said.splitlines()[-1])
        await room.written()
    passes = {name for name, answer in got.items() if answer.endswith("hello")}
    reachable = {"https", "http", "declared"} | {name for name in got if name == "curl" and got[name]}
    assert passes == (reachable if domains else set()), got
    assert place.evil.connections == 0
    assert place.private.connections == (1 if domains else 0)  # the declared one
    assert not {"evil.example", "stolen-data.evil.example"} & set(place.world.asked)
    assert bool(place.world.dialled) is bool(domains)
    kinds = [entry[0] for entry in room.records.audits.values()]
    # The fronted one was opened, before its first words told that it means somebody else.
    assert kinds.count("egress.opened") == len(passes) + (1 if domains else 0)
    assert bool(domains) is ("egress.refused" in kinds)
