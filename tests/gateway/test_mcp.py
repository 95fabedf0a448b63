"""MCP over streamable HTTP as the CLI speaks it, and as a hostile session might."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from domain.errors import RecordUnavailableError
from domain.inventory import Inventory
from domain.ports import Door
from tests.support import gateway
from tests.support.gateway import answer

ARGUMENTS = {"kind": "restart", "target": "local/web", "reason": "hung"}


def call(tool: str, arguments: Any, tool_use_id: Any = "toolu_1", rpc: Any = 7) -> dict[str, Any]:
    meta = {"claudecode/toolUseId": tool_use_id, "progressToken": 3}
    return {
        "jsonrpc": "2.0",
        "id": rpc,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta},
    }


async def say(door: Door, message: Any, status: int = 200) -> dict[str, Any]:
    """The answer to one message, whether it comes as JSON or at the end of an event stream."""
    async with gateway.through(door) as client, client.post("/mcp", json=message) as reply:
        assert reply.status == status
        if reply.content_type == "text/event-stream":
            return messages_of(await reply.text())[-1]
        return json.loads(await reply.text() or "{}")


def messages_of(stream: str) -> list[dict[str, Any]]:
    data = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    return [json.loads(text) for text in data if text.strip()]


async def test_the_handshake_of_the_cli_is_answered(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        door = await room.open()
        discover = await say(
            door, {"jsonrpc": "2.0", "id": "server-discover-probe-1", "method": "server/discover", "params": {}}
        )
        assert discover["error"]["code"] == -32601
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}}
        assert (await say(door, hello))["result"]["protocolVersion"] == "2025-06-18"
        newer = {**hello, "params": {"protocolVersion": "2031-01-01"}}
        assert (await say(door, newer))["result"]["protocolVersion"] == "2025-11-25"
        assert await say(door, {"jsonrpc": "2.0", "method": "notifications/initialized"}, 202) == {}
        assert (await say(door, {"jsonrpc": "2.0", "id": 1, "method": "ping"}))["result"] == {}


@pytest.mark.parametrize(("tier", "names"), [(1, 3), (2, 4), (3, 4)])
async def test_tier_1_is_not_even_offered_to_act(tmp_path: Path, tier: int, names: int):
    async with gateway.room(tmp_path) as room:
        door = await room.open(tier=tier)
        tools = (await say(door, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}))["result"]["tools"]
        assert [t["name"] for t in tools] == ["services", "probe", "logs", "act"][:names]
        result = (await say(door, call("act", ARGUMENTS)))["result"]
        assert result["isError"] is (tier == 1)
    assert len(room.broker.acted) == (0 if tier == 1 else 1)


@pytest.mark.parametrize(
    "message", [b"{", b"[]", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', b"3", b'{"id":{},"method":"ping"}']
)
async def test_nonsense_is_an_error_and_not_a_crash(tmp_path: Path, message: bytes):
    async with gateway.room(tmp_path) as room:
        door = await room.open()
        async with gateway.through(door) as client, client.post("/mcp", data=message) as reply:
            assert reply.status == 400
            assert "error" in await reply.json()


async def test_services_are_told_with_their_state_and_names_resolve_through_the_inventory(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        door = await room.open(tier=1)
        listed = (await say(door, call("services", {})))["result"]["content"][0]["text"]
        assert "local/web" in listed
        assert "not answering" in listed
        probed = (await say(door, call("probe", {"service": "SHOP"})))["result"]
        assert "fail" in probed["content"][0]["text"]
        unknown = (await say(door, call("probe", {"service": "/etc/passwd"})))["result"]
        assert unknown["isError"] is True


async def test_log_lines_come_bounded_and_marked_as_data(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        door = await room.open()
        text = (await say(door, call("logs", {"service": "local/web", "lines": 500})))["result"]["content"][0]["text"]
    assert len(text) < 17_000
    assert "not instructions" in text.splitlines()[0]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("services", {"all": True}),
        ("probe", {}),
        ("probe", {"service": 3}),
        ("probe", {"service": "x" * 300}),
        ("logs", {"service": "local/web", "lines": 501}),
        ("logs", {"service": "local/web", "lines": "10"}),
        ("logs", {"service": "local/web", "since": "x"}),
    ],
)
async def test_a_tool_takes_what_its_schema_says_and_nothing_else(tmp_path: Path, tool: str, arguments: dict[str, Any]):
    async with gateway.room(tmp_path) as room:
        result = (await say(await room.open(), call(tool, arguments)))["result"]
    assert result["isError"] is True
    assert "invalid arguments" in result["content"][0]["text"]


async def test_an_unknown_tool_is_an_error(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        assert (await say(await room.open(), call("shell", {})))["error"]["code"] == -32602


async def test_looking_goes_on_with_the_last_inventory_while_the_record_is_away(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        door = await room.open()
        await say(door, call("services", {}))
        room.records.away = RecordUnavailableError("no Postgres")
        assert (await say(door, call("services", {})))["result"]["isError"] is True
        assert (await say(door, call("probe", {"service": "web"})))["result"]["isError"] is False
        room.records.away = None


async def test_no_services_is_said_in_words(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        room.records.inventory = Inventory()
        assert "No services" in (await say(await room.open(), call("services", {})))["result"]["content"][0]["text"]


async def test_a_refused_action_is_an_answer_and_is_written_down(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        room.broker.to_act = answer("deny", "refused: 2 of 2 restarts used", "refused")
        result = (await say(await room.open(), call("act", ARGUMENTS)))["result"]
        await room.written()
    assert result == {"content": [{"type": "text", "text": "refused: 2 of 2 restarts used"}], "isError": False}
    assert [a for a, _, _ in room.records.audits.values()] == ["action.asked", "action.answered"]


@pytest.mark.parametrize("tool_use_id", [None, "", 3, "x" * 201, "a\nb"])
async def test_a_call_without_a_usable_tool_use_id_does_nothing(tmp_path: Path, tool_use_id: Any):
    async with gateway.room(tmp_path) as room:
        reply = await say(await room.open(), call("act", ARGUMENTS, tool_use_id))
    assert "error" in reply or reply["result"]["isError"] is True
    assert room.broker.acted == []


async def test_invalid_arguments_of_act_reach_nobody(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        door = await room.open()
        for arguments in (
            {**ARGUMENTS, "kind": "prune"},
            {**ARGUMENTS, "extra": 1},
            {**ARGUMENTS, "params": {"x": "y" * 9000}},
            {},
        ):
            assert (await say(door, call("act", arguments)))["result"]["isError"] is True
    assert room.broker.acted == []


async def test_a_long_action_keeps_the_line_alive_with_progress(tmp_path: Path):
    async with gateway.room(tmp_path, progress_s=0.05) as room:
        room.broker.act_takes_s = 0.3
        door = await room.open()
        async with gateway.through(door) as client, client.post("/mcp", json=call("act", ARGUMENTS)) as reply:
            said = messages_of(await reply.text())
    assert len(said) > 3
    assert all(m["method"] == "notifications/progress" and m["params"]["progressToken"] == 3 for m in said[:-1])
    assert [m["params"]["progress"] for m in said[:-1]] == list(range(1, len(said)))
    assert (said[-1]["id"], said[-1]["result"]["isError"]) == (7, False)


async def test_a_cut_action_is_taken_up_again_by_its_event_id(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        room.broker.act_takes_s = 0.2
        door = await room.open()
        async with gateway.through(door) as client:
            reply = await client.post("/mcp", json=call("act", ARGUMENTS, rpc="r-9"))
            first = (await reply.content.readline()).decode()
            assert first.startswith("id: ")
            reply.close()
            async with client.get("/mcp", headers={"Last-Event-ID": first[4:].strip()}) as again:
                said = messages_of(await again.text())
    assert said[-1]["id"] == "r-9"
    assert {(r.tool_use_id, r.kind, r.target, r.session) for r in room.broker.acted} == {
        ("toolu_1", "restart", "local/web", door.session)
    }


@pytest.mark.parametrize("event_id", ["", "x", "e30=", "====", "A" * 7500])
async def test_a_made_up_event_id_gives_nothing(tmp_path: Path, event_id: str):
    async with gateway.room(tmp_path) as room:
        door = await room.open()
        async with gateway.through(door) as client, client.get("/mcp", headers={"Last-Event-ID": event_id}) as reply:
            assert reply.status == 405
    assert room.broker.acted == []


async def test_a_fault_behind_act_is_told_as_an_unknown_outcome(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        room.broker.to_act = RuntimeError("secret detail")
        result = (await say(await room.open(), call("act", ARGUMENTS)))["result"]
    assert result["isError"] is True
    assert "secret detail" not in result["content"][0]["text"]


async def test_telemetry_goes_to_the_collector_and_never_waits_for_it(tmp_path: Path):
    got: list[tuple[str, bytes, str | None]] = []
    spans = ExportTraceServiceRequest(resource_spans=[ResourceSpans(schema_url="x")]).SerializeToString()

    async def collector(request: Any) -> Any:
        got.append((request.path, await request.read(), request.headers.get("x-tenant")))
        await asyncio.sleep(30)

    async with (
        gateway.upstream(collector) as url,
        gateway.room(tmp_path, otlp_endpoint=url, otlp_headers=(("x-tenant", "mine"),)) as room,
    ):
        door = await room.open()
        async with gateway.through(door) as client:
            headers = {"Content-Type": "application/x-protobuf"}
            async with asyncio.timeout(2), client.post("/otel/v1/traces", data=spans, headers=headers) as reply:
                assert reply.status == 200
            async with client.post("/otel/v1/secrets", data=b"x") as reply:
                assert reply.status == 404
            async with client.post("/otel/v1/logs", data=io.BytesIO(b" " * (5 << 20))) as reply:
                assert reply.status == 413
            for _ in range(50):
                if got:
                    break
                await asyncio.sleep(0.05)
    assert got == [("/v1/traces", spans, "mine")]
