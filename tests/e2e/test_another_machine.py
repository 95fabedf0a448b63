"""Two starts: one watches, acts and holds the credential; the other one has no key and runs the sessions."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.settings import Settings
from demo.faults import FAULTS
from tests.support.full_stack import ROOT, FullStack, full_stack
from tests.support.remote import SECRET, settings_of
from worker import up_endpoints
from worker.doctor_remote import other_gateway

pytestmark = [
    pytest.mark.temporal,
    pytest.mark.postgres,
    pytest.mark.cli,
    pytest.mark.isolation,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]


@asynccontextmanager
async def other_machine(stack: FullStack, there: Settings, home: Path) -> AsyncIterator[Path]:
    """Its log. Ends with everything that it started."""
    places = up_endpoints.read(stack.stage.settings.home)
    assert places is not None
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TIERCEL_HOME": str(home),
        "TIERCEL_CACHE_DIR": str(stack.stage.settings.cache_dir),
        "TIERCEL_ENGINE": "process",
        "TIERCEL_SCRIPTED": "true",
        "TIERCEL_GATEWAY_URL": there.gateway_url,
        "TIERCEL_GATEWAY_CA": str(there.gateway_ca),
        "TIERCEL_GATEWAY_SECRET": SECRET,
        "DATABASE_URL": places.database_url,
        "TEMPORAL_ADDRESS": places.temporal_address,
    }
    log = home / "up.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from cli.main import run; run()", "up"),
            env=env,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(60):
            while "for the gateway at" not in log.read_text(errors="replace"):
                assert process.returncode is None, log.read_text(errors="replace")
                await asyncio.sleep(0.1)
        yield log
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_an_incident_is_repaired_by_sessions_that_run_on_a_machine_without_a_key(tmp_path: Path) -> None:
    here, there = settings_of(tmp_path, tls=True)
    variables = {
        "TIERCEL_MAX_SESSIONS": "0",
        "TIERCEL_GATEWAY_LISTEN": here.gateway_listen,
        "TIERCEL_GATEWAY_CERT": str(here.gateway_cert),
        "TIERCEL_GATEWAY_CERT_KEY": str(here.gateway_cert_key),
        "TIERCEL_GATEWAY_SECRET": SECRET,
    }
    home = tmp_path / "other"
    home.mkdir()
    async with full_stack(variables) as stack:
        await stack.healthy()
        async with other_machine(stack, there, home) as log:
            assert [f.level for f in await other_gateway(there)] == ["ok"]
            await FAULTS["hung"].inject(stack.stage.host)
            incident = await stack.incident_of("local/web")
            detail = await stack.closed(incident.id)
            told = log.read_text() + stack.log.read_text(errors="replace")
        ran = {p.name for p in (home / "sessions").iterdir() if any(p.glob("attempts/*/exit.json"))}
        ours = stack.stage.settings.home / "sessions"
        audited = {row.action for row in (await stack.services.reads.audit(limit=200)).rows}

    assert detail.state == "resolved", detail
    assert ran
    assert not list(ours.glob("*/attempts"))
    assert not list(ours.glob("*/token.json")), "every token has ended with its session"
    assert {"token.issued", "token.ended"} <= audited
    assert SECRET not in told
