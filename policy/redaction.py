"""Removes secrets from text before it is stored, shown, prompted or sent."""

import base64
import json
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

MASK = "[redacted]"

_PATTERNS = tuple(
    re.compile(p)
    for p in (
        r"sk-ant-[A-Za-z0-9_-]{8,}",
        r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{12,}",
        r"\bgh[pousr]_[A-Za-z0-9]{20,}",
        r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
        r"\bAKIA[0-9A-Z]{16}\b",
        r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    )
)
_ASSIGNED = re.compile(
    r"(?i)\b([\w.-]*(?:password|passwd|secret|token|api[_-]?key)[\w.-]*\s*[=:]\s*[\"']?)([^\s\"',;&]{6,})"
)
_URL_PASSWORD = re.compile(r"\b([a-z][a-z0-9+.-]*://[^\s/:@]+:)([^\s/@]+)(@)")


def _spellings(secret: str) -> set[str]:
    raw = secret.encode()
    return {
        secret,
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }


def redactor(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """A function that removes the known `secrets` in every usual spelling, and whatever looks like a secret."""
    known = sorted({s for secret in secrets if len(secret) >= 6 for s in _spellings(secret)}, key=len, reverse=True)
    exact = re.compile("|".join(re.escape(k) for k in known)) if known else None

    def redact(text: str) -> str:
        if exact is not None:
            text = exact.sub(MASK, text)
        for pattern in _PATTERNS:
            text = pattern.sub(MASK, text)
        text = _URL_PASSWORD.sub(rf"\1{MASK}\3", text)
        return _ASSIGNED.sub(rf"\1{MASK}", text)

    return redact
