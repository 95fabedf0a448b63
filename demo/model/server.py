"""The scripted model: an HTTP server that speaks the Messages API and follows a scenario."""

import asyncio
import contextlib
import hashlib
import time
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from demo.model.messages import Answer, Request, as_error, as_events, as_json, as_sse, compose, read_request
from demo.model.scenario import Chosen, Failure, Scenario, Step, choose, load
from domain.base import Value

MAX_BODY_BYTES = 32 << 20
KEPT_REQUESTS = 500


class Recorded(Value):
    """One request as tests may see it: of a credential only its header's name and a fingerprint."""

    path: str
    session: str = ""
    credential_header: str = ""  # x-api-key | authorization
    credential: str = ""  # first 12 hex digits of the value's sha256
    betas: tuple[str, ...] = ()
    traceparent: str = ""
    model: str = ""
    stream: bool = False
    tools: tuple[str, ...] = ()
    tier: int | None = None
    turn: int = 0
    rule: str = ""
    prompt: str = ""
    tool_result: str = ""
    arrived_s: float = 0.0  # by the monotonic clock of this machine


class Running:
    """A server that answers at `url` until it is closed."""

    def __init__(self, url: str, model: "ScriptedModel", close: Callable[[], Awaitable[None]]) -> None:
        self.url = url
        self.requests = model.requests
        self.close = close


class ScriptedModel:
    """Answers requests by a scenario. The only state: how often an ordered failure was given, and the last requests."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._failures: Counter[tuple[str, str, int]] = Counter()
        self.requests: deque[Recorded] = deque(maxlen=KEPT_REQUESTS)

    def app(self) -> web.Application:
        """The routes. Everything else is 404, as the CLI expects."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count)
        app.router.add_get("/_requests", self._recorded)
        app.router.add_route("HEAD", "/", self._alive)
        app.router.add_route("*", "/{rest:.*}", self._missing)
        return app

    async def _alive(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _missing(self, _: web.Request) -> web.Response:
        return web.json_response(as_error("not_found_error", "no such path"), status=404)

    async def _recorded(self, _: web.Request) -> web.Response:
        return web.json_response([r.model_dump(mode="json") for r in self.requests])

    async def _count(self, http: web.Request) -> web.Response:
        return web.json_response({"input_tokens": len(await http.read()) // 4})

    async def _messages(self, http: web.Request) -> web.StreamResponse:
        arrived_s = time.monotonic()
        try:
            request = read_request(await http.read())
        except (ValueError, TypeError) as e:
            return web.json_response(as_error("invalid_request_error", str(e)), status=400)
        chosen = choose(self._scenario, request.conversation)
        self.requests.append(_recorded(http, request, chosen, arrived_s))
        step = chosen.step if chosen else None
        await asyncio.sleep(self._delay(step))
        failure = self._failure(http, chosen)
        if failure:
            return await _fail(http, failure)
        answer = compose(step, request, uuid.uuid4().hex[:20])
        if not request.stream:
            return web.json_response(as_json(answer), headers=_ids())
        return await _stream(http, answer, self._scenario.pace_s)

    def _delay(self, step: Step | None) -> float:
        return step.delay_s if step and step.delay_s is not None else self._scenario.delay_s

    def _failure(self, http: web.Request, chosen: Chosen | None) -> Failure | None:
        failure = chosen.step.fail if chosen else None
        if chosen is None or failure is None:
            return None
        key = (http.headers.get("X-Claude-Code-Session-Id", ""), chosen.rule, chosen.position)
        self._failures[key] += 1
        return failure if failure.times == 0 or self._failures[key] <= failure.times else None


async def serve(scenario: Path | Scenario, host: str = "127.0.0.1", port: int = 0) -> Running:
    """Start answering; port 0 takes a free one. Raises ConfigurationError for a broken scenario, OSError for a port."""
    model = ScriptedModel(load(scenario) if isinstance(scenario, Path) else scenario)
    runner = web.AppRunner(model.app(), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    return Running(f"http://{host}:{bound}", model, runner.cleanup)


async def _stream(http: web.Request, answer: Answer, pace_s: float, stop_before: str = "") -> web.StreamResponse:
    response = await _begin(http)
    with contextlib.suppress(ConnectionResetError):  # the session may be stopped in mid-sentence
        for name, data in as_events(answer):
            if name == stop_before:
                break
            await response.write(as_sse(name, data))
            if pace_s and name == "content_block_delta":
                await asyncio.sleep(pace_s)
        await response.write_eof()
    return response


async def _begin(http: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache", **_ids()})
    await response.prepare(http)
    return response


async def _fail(http: web.Request, failure: Failure) -> web.StreamResponse:
    match failure.kind:
        case "status":
            headers = _ids() | ({"retry-after": failure.retry_after} if failure.retry_after else {})
            return web.json_response(
                as_error(failure.error_type, failure.message), status=failure.status, headers=headers
            )
        case "stall_before_headers":
            await asyncio.sleep(failure.stall_s)
            return web.json_response(as_error("api_error", "stalled"), status=504)
        case "stall_after_headers":
            response = await _begin(http)
            await asyncio.sleep(failure.stall_s)
            return response
        case "garbage":
            response = await _begin(http)
            await response.write(b"data: {this is no json\n\n\x00\xff\xfe garbage\n\n")
            return response
        case "error_event":
            response = await _begin(http)
            await response.write(as_sse("error", as_error(failure.error_type, failure.message)))
            return response
        case "cut":
            return await _cut(http)


async def _cut(http: web.Request) -> web.StreamResponse:
    """Begin an answer and drop the connection in the middle of it."""
    response = await _begin(http)
    words = Answer(
        id="msg_cut",
        model="",
        blocks=({"type": "text", "text": "This sentence is never"},),
        usage={"input_tokens": 1, "output_tokens": 1},
    )
    for name, data in as_events(words):
        if name == "content_block_stop":
            break
        await response.write(as_sse(name, data))
    if http.transport:
        http.transport.close()
    return response


def _ids() -> dict[str, str]:
    return {"request-id": f"req_{uuid.uuid4().hex[:20]}"}


def _recorded(http: web.Request, request: Request, chosen: Chosen | None, arrived_s: float) -> Recorded:
    header = next((h for h in ("x-api-key", "authorization") if h in http.headers), "")
    secret = http.headers.get(header, "").removeprefix("Bearer ")
    turns = request.conversation.turns
    return Recorded(
        path=http.path_qs,
        session=http.headers.get("X-Claude-Code-Session-Id", ""),
        credential_header=header,
        credential=fingerprint(secret) if secret else "",
        betas=tuple(b.strip() for b in http.headers.get("anthropic-beta", "").split(",") if b.strip()),
        traceparent=http.headers.get("traceparent", ""),
        model=request.model,
        stream=request.stream,
        tools=request.tools,
        tier=request.conversation.tier,
        turn=len(turns) - 1,
        rule=chosen.rule if chosen else "",
        prompt=request.conversation.prompt[:20_000],
        tool_result=turns[-1].tool_result[:4_000],
        arrived_s=arrived_s,
    )


def fingerprint(secret: str) -> str:
    """What is recorded of a credential, so that a test can compare it without seeing it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]
