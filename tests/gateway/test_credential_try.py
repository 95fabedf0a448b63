"""The free question whether the model API takes the credential: what each answer means, and that nothing leaks."""

import aiohttp
import pytest
from pydantic import SecretStr

from gateway.credential import Credential
from gateway.credential_try import try_credential
from gateway.session import Upstream
from tests.support.receivers import http_receiver

MODELS = {1: "small", 2: "large", 3: "large"}
SECRET = "sk-ant-not-to-be-seen"


async def asked(url: str, kind: str) -> list[tuple[str, str, str]]:
    credential = Credential.model_validate({"kind": kind, "secret": SecretStr(SECRET)})
    async with aiohttp.ClientSession() as http:
        found = await try_credential(http, Upstream(url=url, credential=credential, models=MODELS))
    assert SECRET not in repr(found)
    return [(f.name, f.level, f.fix) for f in found.findings]


@pytest.mark.parametrize(
    ("statuses", "levels", "next_step"),
    [
        ([200, 200], ["ok", "ok"], ""),
        ([401, 401], ["fail"], "ANTHROPIC_API_KEY"),
        ([403, 403], ["fail"], "ANTHROPIC_API_KEY"),
        ([529, 529], ["warn"], "again in a minute"),
        ([500, 500], ["warn"], "TIERCEL_MODEL_URL"),
        ([302, 302], ["warn"], "TIERCEL_MODEL_URL"),
    ],
)
async def test_each_answer_of_the_api_is_told_with_what_to_do(statuses: list[int], levels: list[str], next_step: str):
    async with http_receiver() as api:
        api.statuses = list(statuses)
        found = await asked(f"http://127.0.0.1:{api.port}", "api_key")
    assert [level for _, level, _ in found] == levels
    assert next_step in found[0][2]
    assert {r.path for r in api.requests} == {"/v1/messages/count_tokens"}
    assert {r.headers["x-api-key"] for r in api.requests} == {SECRET}
    assert {str(r.json["model"]) for r in api.requests} == {"small", "large"}


async def test_a_model_that_does_not_exist_names_its_setting():
    async with http_receiver() as api:
        api.statuses = [404, 200]
        found = {name: (level, fix) for name, level, fix in await asked(f"http://127.0.0.1:{api.port}", "oauth")}
        assert {r.headers["Authorization"] for r in api.requests} == {f"Bearer {SECRET}"}
    wrong = next(fix for level, fix in found.values() if level == "fail")
    assert wrong in {"correct TIERCEL_TIER1_MODEL", "correct TIERCEL_TIER2_MODEL"}


async def test_nobody_is_asked_without_a_credential_and_an_absent_api_is_a_finding():
    async with http_receiver() as api:
        assert [level for _, level, _ in await asked(f"http://127.0.0.1:{api.port}", "none")] == ["warn"]
        assert api.requests == []
    assert [level for _, level, _ in await asked("http://127.0.0.1:1", "api_key")] == ["fail"]
