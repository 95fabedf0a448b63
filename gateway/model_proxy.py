"""The Messages API of a session: checked, given the credential, passed through byte by byte, counted."""

import asyncio
import io
import time
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from claude.result import BUDGET_EXHAUSTED
from domain.errors import TransientError
from domain.session import ModelCall
from gateway import model_request
from gateway.credential import Refusal, credential_headers
from gateway.meter import Meter
from gateway.session import MAX_MODEL_BODY, SESSION, Session, bounded_body
from gateway.spans import model_span
from policy.prices import Tokens, cost_usd, most_usd, named

log = structlog.get_logger("gateway.model")

# Everything else stays behind: cookies, forwarding headers, whatever a session invents.
PASSED_UP = frozenset(
    {"accept", "content-type", "user-agent", "anthropic-version", "anthropic-beta", "x-app", "x-claude-code-session-id"}
)
PASSED_UP_PREFIXES = ("x-stainless-",)
PASSED_DOWN = frozenset({"content-type", "request-id", "retry-after", "x-should-retry", "cache-control"})
PASSED_DOWN_PREFIXES = ("anthropic-ratelimit-",)

CONNECT_S = 10.0
SILENCE_S = 600.0  # the CLI's own watchdog is shorter; this only frees what it left behind
LARGE = 256 << 10  # bytes
OVERLOADED = 529
OUT_OF_MONEY = 402  # the CLI gives up at once; after 400 it asks twice more


def api_error(status: int, kind: str, message: str) -> web.Response:
    """An error in the shape of the Messages API, so that the CLI understands it."""
    return web.json_response(
        {"type": "error", "error": {"type": kind, "message": f"gateway: {message}"}}, status=status
    )


async def messages(request: web.Request) -> web.StreamResponse:
    """POST /model/v1/messages."""
    return await _proxy(request, "/v1/messages", counted=True)


async def count_tokens(request: web.Request) -> web.StreamResponse:
    """POST /model/v1/messages/count_tokens. Free of charge, so nothing is recorded."""
    return await _proxy(request, "/v1/messages/count_tokens", counted=False)


async def _proxy(request: web.Request, path: str, *, counted: bool) -> web.StreamResponse:
    session = request.config_dict[SESSION]
    body = await bounded_body(request, MAX_MODEL_BODY)
    if body is None:
        return api_error(
            413, "request_too_large", f"the request is over {MAX_MODEL_BODY >> 20} MB, or there are too many"
        )
    # Reading a large body takes a moment that belongs to the other sessions.
    wanted = model_request.read(body) if len(body) < LARGE else await asyncio.to_thread(model_request.read, body)
    refusal = _refused_model(session, wanted, counted=counted)
    if refusal:
        session.audit(f"model-{session.behind.new_id()}", "model.refused", wanted.model[:100], {"reason": refusal})
        return api_error(400, "invalid_request_error", refusal)
    added = credential_headers(request.headers, session.behind.upstream.credential)
    if isinstance(added, Refusal):
        log.error("model request refused", session=session.door.session, reason=added.message)
        return api_error(403, "permission_error", added.message)
    headers = _filtered(request.headers)
    headers.update(added)
    call = _Call(session, wanted, len(body), counted=counted)
    refused = await call.reserve() if counted else None
    if refused is not None:
        return refused
    with model_span(session, request.headers, wanted.model) as span:
        call.span = span
        return await call.run(request, path, headers, body)


def _refused_model(session: Session, wanted: model_request.Wanted, *, counted: bool) -> str:
    if wanted.refusal:
        return wanted.refusal
    allowed = session.behind.upstream.models.get(session.door.tier)
    if allowed is None:
        return f"tier {session.door.tier} does not exist"
    if wanted.model != allowed:
        return f"this session may use {allowed} only"
    if counted and not named(wanted.model):
        return f"the price of {allowed} is not known, so no budget could hold; set TIERCEL_TIER{session.door.tier}_MODEL to another"
    if counted and not wanted.max_tokens:
        return "max_tokens must be a number of tokens"
    return ""


def _filtered(given: "CIMultiDict[str] | Any") -> CIMultiDict[str]:
    kept = CIMultiDict[str]()
    for name, value in given.items():
        low = name.lower()
        if low in PASSED_UP or low.startswith(PASSED_UP_PREFIXES):
            kept.add(name, value)
    kept["Accept-Encoding"] = "identity"  # tokens are read from the bytes that pass
    return kept


class _Call:
    """One request upstream, its money and its row in the record."""

    def __init__(self, session: Session, wanted: model_request.Wanted, body_bytes: int, *, counted: bool) -> None:
        self._session = session
        self._wanted = wanted
        self._body_bytes = body_bytes
        self._counted = counted
        self._meter = Meter(stream=wanted.stream)
        self._begun = time.monotonic()
        self._at = session.behind.clock.now()
        self._id = session.behind.new_id()
        self._status = OVERLOADED
        self._free = False  # the API did not take the request
        self.span: Any = None

    async def reserve(self) -> web.Response | None:
        """Hold the money that this may cost at most. An answer for the session where there is none left."""
        session = self._session
        money, budget = await session.recalled(), session.door.budget_usd
        bound = most_usd(self._wanted.model, self._body_bytes, self._wanted.max_tokens, self._at)
        sent = cost_usd(self._wanted.model, self._meter.at_least(self._body_bytes), self._at)
        try:
            if await money.reserve(self._id, bound, budget, sent):
                return None
        except TransientError as e:
            log.warning("model request refused", session=session.door.session, reason=str(e))
            return api_error(OVERLOADED, "overloaded_error", str(e))
        spent = f"{money.spent:.4f} of {budget:.4f} USD"
        log.warning("budget exhausted", session=session.door.session, spent=spent)
        session.audit(f"budget-{session.door.session}", "budget.exhausted", session.door.session, {"spent": spent})
        return api_error(OUT_OF_MONEY, "billing_error", f"{BUDGET_EXHAUSTED}: this session used {spent}")

    async def run(self, request: web.Request, path: str, headers: CIMultiDict[str], body: bytes) -> web.StreamResponse:
        """Pass the request on and the answer back. Failures to reach the API look like an overloaded API."""
        target = URL(self._session.behind.upstream.url.rstrip("/") + path)
        if request.query.get("beta") == "true":
            target = target.with_query(beta="true")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        try:
            async with self._session.behind.http.post(
                target, data=io.BytesIO(body), headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                self._status = answer.status
                self._free = answer.status >= 400
                return await self._pass_back(request, answer)
        except aiohttp.ClientConnectorError as e:
            self._free = True
            log.warning("model API not reached", session=self._session.door.session, error=type(e).__name__)
            return api_error(OVERLOADED, "overloaded_error", f"the model API cannot be reached ({type(e).__name__})")
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            # The words of the exception may hold the address, never a header.
            log.warning("model API not reached", session=self._session.door.session, error=type(e).__name__)
            return api_error(OVERLOADED, "overloaded_error", f"the model API cannot be reached ({type(e).__name__})")
        finally:
            self._record()

    async def _pass_back(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        packed = ",".join(answer.headers.getall("Content-Encoding", ()))
        if packed.lower() not in {"", "identity"}:
            # Neither tokens nor the key could be seen in it.
            return api_error(502, "api_error", f"the model API answered in {packed[:40]}, although it was asked not to")
        key = self._session.behind.upstream.key
        response = web.StreamResponse(status=answer.status)
        for name, value in answer.headers.items():
            low = name.lower()
            if low in PASSED_DOWN or (low.startswith(PASSED_DOWN_PREFIXES) and key.text(name) == name):
                response.headers.add(name, key.text(value))
        await response.prepare(request)
        filtered = key.stream()
        try:
            async for chunk in answer.content.iter_any():
                self._meter.feed(chunk)
                if passed := filtered.feed(chunk):
                    await response.write(passed)
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            # The status line is gone already. A clean end would pass for a whole answer, so the connection breaks.
            log.warning("model stream cut", session=self._session.door.session, error=type(e).__name__)
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof(filtered.rest())
        return response

    def _tokens(self) -> Tokens:
        if self._free or self._meter.finished or not self._counted:
            return self._meter.tokens
        return self._meter.at_least(self._body_bytes)

    def _record(self) -> None:
        self._meter.close()
        tokens = self._tokens()
        self.span.set_attributes(
            {
                "http.response.status_code": self._status,
                "gen_ai.usage.input_tokens": tokens.input,
                "gen_ai.usage.output_tokens": tokens.output,
            }
        )
        if not self._counted:
            return
        session, behind, model = self._session, self._session.behind, self._wanted.model
        cost = cost_usd(model, tokens, self._at)
        try:
            session.purse.settle(self._id, cost)
        except TransientError as e:
            log.warning(
                "money not settled on disk; the reservation counts", session=session.door.session, reason=str(e)
            )
        call = ModelCall(
            id=self._id,
            session=session.door.session,
            incident=session.door.incident,
            at=self._at,
            model=model,
            status=self._status,
            tier=session.door.tier,
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            cache_read_tokens=tokens.cache_read,
            cache_write_tokens=tokens.cache_write,
            cost_usd=cost,
            latency_ms=(time.monotonic() - self._begun) * 1000,
            scripted=behind.upstream.scripted or session.door.scripted,
        )

        async def write() -> None:
            await behind.records.model_call(call)

        behind.recorder.put("model call", write, session.door.session)
