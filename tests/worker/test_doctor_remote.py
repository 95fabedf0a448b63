"""The doctor on sessions of another machine: who comes in, until when, and whether we are known there."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.examination import Finding
from tests.support import gateway
from tests.support.remote import entrance, no_gateway, settings_of
from worker import doctor_remote
from worker.up_endpoints import Endpoints, UpLock, write


def only(found: object) -> Finding:
    assert isinstance(found, list)
    assert len(found) == 1
    assert isinstance(found[0], Finding)
    return found[0]


@pytest.mark.parametrize(("days", "level"), [(60, "ok"), (3, "warn"), (-1, "fail")])
async def test_the_entrance_answers_and_its_certificate_has_an_end(tmp_path: Path, days: float, level: str):
    async with gateway.room(tmp_path) as room, entrance(room, tls=True, days=days) as entered:
        found = only(await doctor_remote.entrance(entered.here))
        assert (found.level, "certificate" in found.cause) == (level, True), found
        assert bool(found.fix) == (level != "ok")
        assert entered.book.turned_away == 0
        file = Path(str(entered.here.gateway_cert))
        file.write_bytes("subject=CN=Müller\n".encode() + file.read_bytes())
        assert only(await doctor_remote.entrance(entered.here)) == found, "PEM files may hold words beside"
    assert await doctor_remote.other_gateway(entered.here) == []


async def test_an_entrance_that_does_not_answer_is_told_where_tiercel_runs(tmp_path: Path):
    here, _ = settings_of(tmp_path, tls=False)
    here = here.model_copy(update={"home": tmp_path})
    assert only(await doctor_remote.entrance(here)).level == "ok"
    places = {"database_url": "", "temporal_address": "", "temporal_ui": "", "web_url": ""}
    with UpLock(tmp_path):
        write(tmp_path, Endpoints(**places, scripted=True, pid=1))
        found = only(await doctor_remote.entrance(here))
    assert (found.level, "does not answer" in found.cause) == ("fail", True)
    missing = only(await doctor_remote.entrance(here.model_copy(update={"gateway_secret": None})))
    assert (missing.level, missing.name) == ("fail", "TIERCEL_GATEWAY_SECRET")


async def test_the_other_gateway_knows_us_or_the_fix_is_named(tmp_path: Path):
    async with gateway.room(tmp_path) as room, entrance(room, tls=True) as entered:
        there = entered.there
        assert only(await doctor_remote.other_gateway(there)).level == "ok"
        stranger = there.model_copy(update={"gateway_secret": SecretStr("x" * 32)})
        assert "same TIERCEL_GATEWAY_SECRET" in only(await doctor_remote.other_gateway(stranger)).fix
        unknown = there.model_copy(update={"gateway_ca": None})
        assert "TIERCEL_GATEWAY_CA" in only(await doctor_remote.other_gateway(unknown)).fix
    assert "does not answer" in only(await doctor_remote.other_gateway(there)).cause
    assert await doctor_remote.entrance(there) == []
    async with no_gateway() as port:
        elsewhere = there.model_copy(update={"gateway_url": f"http://127.0.0.1:{port}"})
        assert "is no gateway" in only(await doctor_remote.other_gateway(elsewhere)).cause
