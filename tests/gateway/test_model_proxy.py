"""The model API of a session, seen from both sides."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from adapters.doors.paths import reachable
from domain.errors import RecordUnavailableError
from gateway.credential import Credential
from tests.support import gateway

PATH = "/model/v1/messages?beta=true"
HEADERS = {"x-api-key": "placeholder", "anthropic-version": "2023-06-01"}
BODY = {"model": "claude-sonnet-5-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}], "stream": True}


def event(name: str, **fields: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


START = event(
    "message_start",
    message={
        "id": "m",
        "usage": {
            "input_tokens": 11,
            "output_tokens": 1,
            "cache_read_input_tokens": 300,
            "cache_creation_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        },
    },
)
TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": 'says "message_start" and usage'})
END = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 42}) + event("message_stop")


async def streamed(request: web.Request, *parts: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for part in parts:
        await response.write(part)
    return response


async def test_it_passes_events_on_before_the_answer_is_complete_and_counts_its_tokens(tmp_path: Path):
    go_on = asyncio.Event()

    async def model(request: web.Request) -> web.StreamResponse:
        response = await streamed(request, START)
        await go_on.wait()
        for byte in TEXT + END:  # torn into single bytes, as a network may
            await response.write(bytes([byte]))
        return response

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with gateway.through(door) as client, client.post(PATH, json=BODY, headers=HEADERS) as answer:
            first = await answer.content.readany()
            assert first == START
            go_on.set()
            assert await answer.content.read() == TEXT + END
        await room.written()

    call = room.records.calls[0]
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens, call.cache_write_tokens) == (11, 42, 300, 50)
    assert call.cost_usd == pytest.approx((11 * 2 + 42 * 10 + 300 * 0.10 + 20 * 2.5 + 30 * 4) / 1e6)
    assert (call.session, call.incident, call.status, call.model) == (door.session, "inc_1", 200, "claude-sonnet-5-5")


async def test_it_counts_an_answer_that_is_not_streamed(tmp_path: Path):
    async def model(request: web.Request) -> web.StreamResponse:
        return web.json_response({"content": [], "usage": {"input_tokens": 7, "output_tokens": 3}})

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with (
            gateway.through(door) as client,
            client.post(PATH, json={**BODY, "stream": False}, headers=HEADERS) as a,
        ):
            assert a.status == 200
            await a.read()
        await room.written()
    assert (room.records.calls[0].input_tokens, room.records.calls[0].output_tokens) == (7, 3)


async def test_it_adds_the_real_credential_and_lets_no_other_header_through(tmp_path: Path):
    seen: list[dict[str, str]] = []

    async def model(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.headers))
        return web.json_response({})

    extra = {
        "Cookie": "a=b",
        "X-Forwarded-For": "1.2.3.4",
        "X-Evil": "1",
        "anthropic-beta": "b1,b2",
        "X-Stainless-Lang": "js",
    }
    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with gateway.through(door) as client:
            await client.post(PATH, json=BODY, headers={**HEADERS, **extra})
    assert seen[0]["x-api-key"] == gateway.API_KEY.secret.get_secret_value()
    assert seen[0]["anthropic-beta"] == "b1,b2"
    assert seen[0]["X-Stainless-Lang"] == "js"
    assert not {"Cookie", "X-Forwarded-For", "X-Evil", "Authorization", "traceparent"} & set(seen[0])


async def test_a_subscription_token_goes_out_as_bearer_with_its_beta(tmp_path: Path):
    seen: list[dict[str, str]] = []

    async def model(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.headers))
        return web.json_response({})

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url, gateway.OAUTH) as room:
        door = await room.open()
        async with gateway.through(door) as client:
            await client.post(PATH, json=BODY, headers={"Authorization": "Bearer placeholder", "anthropic-beta": "b1"})
    assert seen[0]["Authorization"] == "Bearer " + gateway.OAUTH.secret.get_secret_value()
    assert seen[0]["anthropic-beta"] == "b1,oauth-2025-04-20"
    assert "x-api-key" not in seen[0]


@pytest.mark.parametrize(
    ("credential", "headers"),
    [
        (gateway.API_KEY, {"Authorization": "Bearer placeholder"}),
        (gateway.OAUTH, {"x-api-key": "placeholder"}),
        (gateway.API_KEY, {}),
        (gateway.API_KEY, {"x-api-key": "p", "Authorization": "Bearer p"}),
        (Credential(kind="none"), {"x-api-key": "p"}),
    ],
)
async def test_it_refuses_a_placeholder_that_does_not_fit(
    tmp_path: Path, credential: Credential, headers: dict[str, str]
):
    asked: list[str] = []

    async def model(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.json_response({})

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url, credential) as room:
        door = await room.open()
        async with gateway.through(door) as client, client.post(PATH, json=BODY, headers=headers) as answer:
            assert answer.status == 403
            assert (await answer.json())["error"]["type"] == "permission_error"
    assert asked == []


@pytest.mark.parametrize("body", [{**BODY, "model": "claude-opus-5-5"}, {"messages": []}, [], "text"])
async def test_a_tier_may_use_its_own_model_only(tmp_path: Path, body: Any):
    async with gateway.room(tmp_path) as room:
        door = await room.open(tier=2)
        async with gateway.through(door) as client, client.post(PATH, json=body, headers=HEADERS) as answer:
            assert answer.status == 400
            assert "claude-sonnet-5-5 only" in (await answer.json())["error"]["message"]
        await room.written()
        assert [a for a, _, _ in room.records.audits.values()] == ["model.refused"]


async def test_it_passes_a_refusal_of_the_api_with_its_waiting_time(tmp_path: Path):
    async def model(request: web.Request) -> web.StreamResponse:
        body = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
        return web.json_response(
            body, status=429, headers={"retry-after": "17", "request-id": "r1", "Set-Cookie": "a=b"}
        )

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with gateway.through(door) as client, client.post(PATH, json=BODY, headers=HEADERS) as answer:
            assert (answer.status, answer.headers["retry-after"], answer.headers["request-id"]) == (429, "17", "r1")
            assert "Set-Cookie" not in answer.headers
            assert (await answer.json())["error"]["message"] == "slow down"
        await room.written()
    assert room.records.calls[0].status == 429


async def test_an_api_that_cannot_be_reached_looks_overloaded(tmp_path: Path):
    async with gateway.room(tmp_path, "http://127.0.0.1:9") as room:
        door = await room.open()
        async with gateway.through(door) as client, client.post(PATH, json=BODY, headers=HEADERS) as answer:
            assert answer.status == 529
            assert (await answer.json())["error"]["type"] == "overloaded_error"


async def test_a_stream_that_breaks_upstream_breaks_for_the_session_too(tmp_path: Path):
    async def model(request: web.Request) -> web.StreamResponse:
        response = await streamed(request, START, TEXT)
        assert request.transport
        await asyncio.sleep(0.1)
        request.transport.abort()
        return response

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with gateway.through(door) as client, client.post(PATH, json=BODY, headers=HEADERS) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        await room.written()
    assert room.records.calls[0].input_tokens == 11


async def test_a_session_that_leaves_ends_the_request_upstream_and_is_still_counted(tmp_path: Path):
    left = asyncio.Event()

    async def model(request: web.Request) -> web.StreamResponse:
        response = await streamed(request, START)
        try:
            await asyncio.sleep(60)
        finally:
            left.set()
        return response

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with gateway.through(door) as client:
            answer = await client.post(PATH, json=BODY, headers=HEADERS)
            await answer.content.readany()
            answer.close()
            await asyncio.wait_for(left.wait(), 5)
        await asyncio.sleep(0.05)
        await room.written()
    assert room.records.calls[0].input_tokens == 11


async def test_it_refuses_a_body_over_the_bound_whether_announced_or_not(tmp_path: Path):
    asked: list[str] = []

    async def model(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.json_response({})

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        with reachable(door.folder.socket) as path:
            reader, writer = await asyncio.open_unix_connection(path)
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nx-api-key: p\r\n"
            writer.write(f"{head}Content-Length: {33 << 20}\r\n\r\n".encode())
            assert (await reader.readline()).split()[1] == b"413"
            writer.close()

            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(32):
                writer.write(f"{1 << 20:x}\r\n".encode() + b" " * (1 << 20) + b"\r\n")
                await writer.drain()
            writer.write(b"1\r\n \r\n")  # one byte more than allowed; the end is never announced
            assert (await reader.readline()).split()[1] == b"413"
            writer.close()
    assert asked == []


async def test_a_large_body_within_the_bound_goes_through_whole(tmp_path: Path):
    sizes: list[int] = []

    async def model(request: web.Request) -> web.StreamResponse:
        sizes.append(len(await request.read()))
        return web.json_response({})

    body = json.dumps({**BODY, "system": "x" * (5 << 20)}).encode()
    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with gateway.through(door) as client, client.post(PATH, data=io.BytesIO(body), headers=HEADERS) as answer:
            assert answer.status == 200
    assert sizes == [len(body)]


async def test_a_record_that_is_away_delays_no_stream_and_loses_no_count(tmp_path: Path):
    async def model(request: web.Request) -> web.StreamResponse:
        return await streamed(request, START, END)

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        room.records.away = RecordUnavailableError("no Postgres")
        door = await room.open()
        async with gateway.through(door) as client:
            for _ in range(3):
                async with client.post(PATH, json=BODY, headers=HEADERS) as answer:
                    assert (await answer.read()).endswith(END)
        assert room.records.calls == []
        room.records.away = None
        await room.written()
    assert len({c.id for c in room.records.calls}) == 3


async def test_a_request_is_a_span_below_the_sessions_own(tmp_path: Path):
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))

    async def model(request: web.Request) -> web.StreamResponse:
        return await streamed(request, START, END)

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url, tracer=provider.get_tracer("t")) as room:
        door = await room.open(traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
        async with gateway.through(door) as client:
            await (await client.post(PATH, json=BODY, headers=HEADERS)).read()
            inner = {"traceparent": f"00-{'a' * 32}-{'c' * 16}-01"}
            await (await client.post(PATH, json=BODY, headers={**HEADERS, **inner})).read()
    outer, nested = spans.get_finished_spans()
    assert outer.parent
    assert nested.parent
    assert f"{outer.parent.span_id:x}" == "b" * 16
    assert f"{nested.parent.span_id:x}" == "c" * 16
    assert nested.attributes
    assert nested.attributes["gen_ai.usage.output_tokens"] == 42
    everything = "".join(s.to_json() for s in spans.get_finished_spans())
    assert gateway.API_KEY.secret.get_secret_value() not in everything


async def test_counting_tokens_is_proxied_and_not_recorded(tmp_path: Path):
    async def model(request: web.Request) -> web.StreamResponse:
        return web.json_response({"path": request.path})

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        path = "/model/v1/messages/count_tokens"
        async with gateway.through(door) as client, client.post(path, json=BODY, headers=HEADERS) as answer:
            assert (await answer.json())["path"] == "/v1/messages/count_tokens"
        await room.written()
    assert room.records.calls == []
