"""Replaces the session's placeholder by the real credential of the same kind, on the wire and nowhere else."""

from collections.abc import Mapping
from typing import Literal

from pydantic import SecretStr

from domain.base import Value

OAUTH_BETA = "oauth-2025-04-20"
_DUMMY = SecretStr("scripted-model-needs-no-credential")


class Credential(Value):
    """The owner's credential. `kind` must be the kind of the placeholder that sessions hold."""

    kind: Literal["api_key", "oauth", "scripted", "none"]
    secret: SecretStr = SecretStr("")


class Refusal(Value):
    """Why no credential may be added, in words that carry the remedy."""

    message: str


def credential_of(api_key: SecretStr | None, oauth_token: SecretStr | None, *, scripted: bool) -> Credential:
    """The credential to use. The scripted model gets a dummy, never a real one, even where one is set."""
    if scripted:
        return Credential(kind="scripted", secret=_DUMMY)
    if api_key:
        return Credential(kind="api_key", secret=api_key)
    if oauth_token:
        return Credential(kind="oauth", secret=oauth_token)
    return Credential(kind="none")


def placeholder_kind(headers: Mapping[str, str]) -> str:
    """`api_key`, `oauth`, or "" where the request carries neither or both."""
    key = bool(headers.get("x-api-key", ""))
    bearer = headers.get("Authorization", "").startswith("Bearer ")
    if key == bearer:
        return ""
    return "api_key" if key else "oauth"


def credential_headers(headers: Mapping[str, str], credential: Credential) -> dict[str, str] | Refusal:
    """The headers that authenticate the request upstream, or why there are none.

    `headers` must look names up without regard to case (aiohttp's do).
    """
    found = placeholder_kind(headers)
    if not found:
        return Refusal(message="the session's request carries no placeholder credential, or more than one")
    if credential.kind == "none":
        return Refusal(message="no credential: set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN and restart Tiercel")
    if credential.kind not in {"scripted", found}:
        return Refusal(
            message=f"the session holds a placeholder of kind {found}, the gateway a credential of kind {credential.kind};"
            " end the session and start it again, so that both agree"
        )
    secret = credential.secret.get_secret_value()
    if found == "api_key":
        return {"x-api-key": secret}
    return {"Authorization": f"Bearer {secret}", **_oauth_beta(headers.get("anthropic-beta", ""))}


def _oauth_beta(given: str) -> dict[str, str]:
    names = [n.strip() for n in given.split(",") if n.strip()]
    if OAUTH_BETA not in names:
        names.append(OAUTH_BETA)
    return {"anthropic-beta": ",".join(names)}
