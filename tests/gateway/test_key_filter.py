"""What the model API answers never carries the owner's credential, however it is torn or spelled."""

import base64
import json
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.key_filter import KeyFilter
from policy.redaction import MASK, spellings
from tests.gateway.test_model_proxy import BODY, HEADERS, PATH
from tests.support import gateway

KEY = gateway.API_KEY.secret.get_secret_value()
FILTER = KeyFilter(KEY)
PIECES = st.lists(
    st.one_of(st.sampled_from(sorted(spellings(KEY))), st.binary(max_size=20).map(lambda b: b.decode("latin-1")), st.text("sk-ant\n", max_size=9))
)  # fmt: skip


def torn(data: bytes, cuts: list[int]) -> bytes:
    stream, out, at = FILTER.stream(), b"", 0
    for cut in sorted({c % (len(data) + 1) for c in cuts}):
        out += stream.feed(data[at:cut])
        at = cut
    return out + stream.feed(data[at:]) + stream.rest()


@given(PIECES, st.lists(st.integers(0, 10_000), max_size=12))
def test_no_spelling_survives_whatever_the_pieces_and_nothing_else_is_lost(pieces: list[str], cuts: list[int]):
    data = "".join(pieces).encode()
    out = torn(data, cuts)
    assert not [s for s in spellings(KEY) if s.encode() in out]
    assert out == torn(data, [])
    if KEY not in data.decode() and FILTER.clean(data) == data:
        assert out == data


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_key_in_base64_among_other_bytes_is_found(before: int, after: int):
    text = base64.b64encode(b"x" * (before % 9) + KEY.encode() + b"y" * (after % 9))
    assert MASK.encode() in torn(text, list(range(0, len(text), 1 + after % 7)))


async def test_an_api_that_echoes_the_key_tells_the_session_nothing(tmp_path: Path):
    body = json.dumps({"echo": KEY, "b64": base64.b64encode(f"user:{KEY}".encode()).decode()}).encode()

    async def model(request: web.Request) -> web.StreamResponse:
        told = {"request-id": KEY, "retry-after": KEY, f"anthropic-ratelimit-{KEY}": "1", "x-other": KEY}
        response = web.StreamResponse(status=int(request.headers["x-app"]), headers=told)
        await response.prepare(request)
        for n in range(0, len(body), 7):
            await response.write(body[n : n + 7])
        return response

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with gateway.through(door) as client:
            for status in (200, 401, 429, 529):
                headers = {**HEADERS, "x-app": str(status)}
                async with client.post(PATH, json=BODY, headers=headers) as answer:
                    assert answer.status == status
                    seen = f"{answer.headers}" + (await answer.text())
                    assert not [s for s in spellings(KEY) if s in seen]
                    assert MASK in seen


@pytest.mark.parametrize("packed", ["gzip", "br, identity"])
async def test_an_answer_that_nobody_can_look_into_is_refused(tmp_path: Path, packed: str):
    async def model(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b" + KEY.encode(), headers={"Content-Encoding": packed})

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open()
        async with gateway.through(door) as client, client.post(PATH, json=BODY, headers=HEADERS) as answer:
            assert answer.status == 502
            assert KEY not in await answer.text()
