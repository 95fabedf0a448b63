"""What a session may ask of the Messages API."""

import json
from typing import Any

import pytest

from gateway.model_request import read

LEAK = {"type": "url", "url": "https://elsewhere.example/?stolen=1"}


def body(*content: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": list(content)}], **more}).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model": "dear", "model": "m"}',
        b'{"model": "dear", "\\u006dodel": "m"}',
        b'{"model": "m", "Model": "dear"}',
        '{"model": "m"}'.encode("utf-16"),
        b"[" * 100_000,
        body(mcp_servers=[{"type": "url", "url": "https://elsewhere.example"}]),
        body(container="c"),
        body(tools=[{"type": "web_fetch_20250910", "name": "web_fetch"}]),
        body(tools=[{"name": "own"}, {"type": "code_execution_20250825", "name": "x"}]),
        body(tools=[{"type": 7, "name": "x"}]),
        body({"type": "image", "source": LEAK}),
        body({"type": "document", "source": {"type": "file", "file_id": "f"}}),
        body({"type": "tool_result", "content": [{"type": "image", "source": LEAK}]}),
        body({"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": LEAK}]}}),
    ],
)
def test_it_refuses_what_leads_elsewhere_or_reads_in_two_ways(raw: bytes):
    assert read(raw).refusal


@pytest.mark.parametrize(
    "raw",
    [
        body({"type": "text", "text": "hi"}),
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}',
        body({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}),
        body({"type": "tool_use", "id": "t", "name": "x", "input": {"type": "image", "source": LEAK}}),
        body(tools=[{"name": "own", "input_schema": {"properties": {"model": {}, "type": {"type": "url"}}}}]),
        body(tools=[{"type": "custom", "name": "own"}], mcp_servers=[]),
    ],
)
def test_it_lets_the_work_of_a_session_pass(raw: bytes):
    found = read(raw)
    assert (found.model, found.refusal) == ("m", "")
