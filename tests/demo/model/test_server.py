"""The scripted model as a server, spoken to over real sockets."""

import json
import re
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.model import Running, Scenario, fingerprint, serve

REPORT = {
    "summary": "fine",
    "services": [],
    "actions_taken": [],
    "escalate": False,
    "escalate_reason": "",
    "handoff": "",
}
SCENARIO = Scenario.model_validate(
    {
        "rules": [
            {
                "name": "twice",
                "match": ["twice"],
                "steps": [{"fail": {"status": 529, "error_type": "overloaded_error", "times": 2}, "say": "at last"}],
            },
            {"name": "limit", "match": ["limit"], "steps": [{"fail": {"status": 429, "retry_after": "7"}}]},
            {
                "name": "web",
                "tier": 2,
                "match": [r"Service: (?P<service>\S+)"],
                "steps": [
                    {
                        "say": "I look at {{service}}.",
                        "use": {"tool": "probe", "input": {"service": "{{service}}", "n": 1}},
                    },
                    {"report": REPORT},
                ],
            },
        ]
    }
)


@pytest.fixture
async def model() -> AsyncIterator[Running]:
    running = await serve(SCENARIO)
    yield running
    await running.close()


def body(prompt: str = "Service: local/web", *more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "system": [{"type": "text", "text": "Tiercel tier: 2\nbe careful"}],
        "messages": [{"role": "user", "content": prompt}, *more],
        **fields,
    }


async def ask(model: Running, sent: dict[str, Any], **headers: str) -> tuple[int, str, Any]:
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{model.url}/v1/messages?beta=true", json=sent, headers=headers) as answer,
    ):
        return answer.status, await answer.text(), answer.headers


async def test_an_answer_follows_the_rule_of_its_tier_and_prompt(model: Running):
    status, text, headers = await ask(model, body())
    answer = json.loads(text)
    assert status == 200
    assert headers["request-id"]
    assert answer["stop_reason"] == "tool_use"
    assert answer["content"][0] == {"type": "text", "text": "I look at local/web."}
    assert (answer["content"][1]["name"], answer["content"][1]["input"]) == (
        "mcp__tiercel__probe",
        {"service": "local/web", "n": 1},
    )


async def test_the_step_is_found_from_the_conversation_alone(model: Running):
    said = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t", "name": "mcp__tiercel__probe", "input": {}}],
    }
    told = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]}
    _, text, _ = await ask(model, body("Service: local/web", said, told))
    assert json.loads(text)["content"][0]["name"] == "StructuredOutput"


async def test_a_streamed_answer_says_the_same_in_pieces(model: Running):
    _, text, headers = await ask(model, body(stream=True))
    assert headers["Content-Type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    assert [e["type"] for e in events][:2] == ["message_start", "content_block_start"]
    assert events[-1]["type"] == "message_stop"
    deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    assert "".join(d.get("text", "") for d in deltas) == "I look at local/web."
    assert json.loads("".join(d.get("partial_json", "") for d in deltas)) == {"service": "local/web", "n": 1}
    final = next(e for e in events if e["type"] == "message_delta")
    assert final["usage"]["output_tokens"] > 1


async def test_ordered_failures_have_status_header_and_count(model: Running):
    status, text, headers = await ask(model, body("limit"))
    assert (status, headers["retry-after"], json.loads(text)["type"]) == (429, "7", "error")
    assert [(await ask(model, body("twice")))[0] for _ in range(3)] == [529, 529, 200]


@pytest.mark.parametrize("sent", ["[]", "{", '{"messages": []}'])
async def test_nonsense_is_refused_as_the_real_api_does(model: Running, sent: str):
    async with aiohttp.ClientSession() as client, client.post(f"{model.url}/v1/messages", data=sent) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["type"] == "invalid_request_error"


async def test_the_other_paths_are_harmless(model: Running):
    async with aiohttp.ClientSession() as client:
        assert (await client.head(model.url)).status == 200
        assert (await client.get(f"{model.url}/v1/models")).status == 404
        async with client.post(f"{model.url}/v1/messages/count_tokens", json=body()) as answer:
            assert (await answer.json())["input_tokens"] > 0


async def test_no_credential_is_kept(model: Running):
    await ask(model, body(), **{"x-api-key": "sk-ant-secret"})
    await ask(model, body(), Authorization="Bearer sk-ant-oat01-secret")
    async with aiohttp.ClientSession() as client, client.get(f"{model.url}/_requests") as answer:
        text = await answer.text()
    assert "secret" not in text
    assert [(r["credential_header"], r["credential"]) for r in json.loads(text)] == [
        ("x-api-key", fingerprint("sk-ant-secret")),
        ("authorization", fingerprint("sk-ant-oat01-secret")),
    ]


async def test_it_runs_as_a_program_until_it_is_told_to_end(tmp_path: Path):
    process = await create_subprocess_exec(sys.executable, "-m", "demo.model", stdout=PIPE)
    assert process.stdout
    line = (await process.stdout.readline()).decode()
    url = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert url
    async with aiohttp.ClientSession() as client:
        assert (await client.head(url.group())).status == 200
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_a_taken_port_and_a_broken_scenario_end_with_one_clear_line(model: Running, tmp_path: Path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("rules: 5")
    for arguments, code, word in (
        (["--port", model.url.rsplit(":", 1)[1]], 3, "choose another --port"),
        (["--scenario", str(broken)], 2, "rules"),
        (["--scenario", str(tmp_path / "none.yaml")], 2, "check the path"),
    ):
        process = await create_subprocess_exec(sys.executable, "-m", "demo.model", *arguments, stderr=PIPE)
        _, said = await process.communicate()
        assert process.returncode == code
        assert word in said.decode()
        assert "Traceback" not in said.decode()
