"""Whether the model API takes the owner's credential, asked by counting tokens: that is free of charge."""

import asyncio

import aiohttp

from domain.examination import Examination, Finding
from gateway.credential import OAUTH_BETA
from gateway.session import Upstream

_TIMEOUT = aiohttp.ClientTimeout(total=20, sock_connect=10)
_PATH = "/v1/messages/count_tokens"
_SET = "set ANTHROPIC_API_KEY, or CLAUDE_CODE_OAUTH_TOKEN from `claude setup-token`, and restart Tiercel"
_HEADERS = {"anthropic-version": "2023-06-01", "content-type": "application/json", "Accept-Encoding": "identity"}


async def try_credential(http: aiohttp.ClientSession, upstream: Upstream) -> Examination:
    """One finding per model of the tiers, or one that holds for all."""
    if upstream.credential.kind == "none":
        return Examination(findings=(Finding(name="credential", level="warn", cause="none is set", fix=_SET),))
    tiers: dict[str, list[int]] = {}
    for tier, model in upstream.models.items():
        tiers.setdefault(model, []).append(tier)
    found = await asyncio.gather(*(_one(http, upstream, model, tuple(of)) for model, of in tiers.items()))
    return Examination(findings=_merged(found))


def _merged(found: list[Finding]) -> tuple[Finding, ...]:
    """The same trouble for every model is told once."""
    alike = {(f.level, f.cause) for f in found}
    if len(alike) == 1 and found[0].level != "ok":
        return (found[0].model_copy(update={"name": "model API"}),)
    return tuple(found)


async def _one(http: aiohttp.ClientSession, upstream: Upstream, model: str, tiers: tuple[int, ...]) -> Finding:
    name = f"{model} (tier {', '.join(str(t) for t in tiers)})"
    body = {"model": model, "messages": [{"role": "user", "content": "."}]}
    headers = {**_HEADERS, **_credential(upstream)}
    try:
        async with http.post(
            upstream.url.rstrip("/") + _PATH, json=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False
        ) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as e:
        return Finding(
            name=name,
            level="fail",
            cause=f"the model API cannot be reached ({type(e).__name__})",
            fix="look at the network, at TIERCEL_MODEL_URL, and at status.claude.com",
        )
    return _judged(name, status, upstream, tiers)


def _judged(name: str, status: int, upstream: Upstream, tiers: tuple[int, ...]) -> Finding:
    kind = {"api_key": "the API key", "oauth": "the subscription token"}.get(upstream.credential.kind, "the request")
    variable = f"TIERCEL_TIER{tiers[0]}_MODEL"
    match status:
        case 200 if upstream.scripted:
            return Finding(name=name, level="ok", cause="the scripted model answers; no credential is needed")
        case 200:
            return Finding(name=name, level="ok", cause=f"the API takes {kind}; nothing was spent")
        case 401:
            return Finding(name=name, level="fail", cause=f"the API does not know {kind} (401)", fix=_SET)
        case 403:
            return Finding(name=name, level="fail", cause=f"{kind} may not be used for this (403)", fix=_SET)
        case 404:
            return Finding(name=name, level="fail", cause="the API has no such model (404)", fix=f"correct {variable}")
        case 429 | 529:
            return Finding(name=name, level="warn", cause=f"the API is busy ({status})", fix="try again in a minute")
        case _:
            return Finding(
                name=name,
                level="warn",
                cause=f"the API answered {status}",
                fix=f"look at {variable} and TIERCEL_MODEL_URL",
            )


def _credential(upstream: Upstream) -> dict[str, str]:
    secret = upstream.credential.secret.get_secret_value()
    if upstream.credential.kind == "oauth":
        return {"Authorization": f"Bearer {secret}", "anthropic-beta": OAUTH_BETA}
    return {"x-api-key": secret}
