"""Removes secrets from text before it is stored, shown, prompted or sent."""

import base64
import json
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

MASK = "[redacted]"

# Every repetition that can begin at many places is bounded: hostile text must not make a pattern slow.

_PATTERNS = tuple(
    re.compile(p)
    for p in (
        r"sk-ant-[A-Za-z0-9_-]{8,}",
        r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{12,}",
        r"\bgh[pousr]_[A-Za-z0-9]{20,}",
        r"\bgithub_pat_[A-Za-z0-9_]{20,}",
        r"\bglpat-[A-Za-z0-9_-]{16,}",
        r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
        r"\bAKIA[0-9A-Z]{16}\b",
        r"\beyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    )
)
_QUOTE = r"(?:\\?[\"'])?"
# "tokens" are counted, not kept secret: max_tokens=128000 must stay readable.
_ASSIGNED = re.compile(
    rf"(?i)\b([\w.-]{{0,64}}(?:password|passwd|secret|token(?!s)|api[_-]?key)[\w.-]{{0,64}}{_QUOTE}\s*[=:]\s*{_QUOTE})"
    r"([^\s\"'\\,;&]{6,})"
)
_AUTHORIZATION = re.compile(
    rf"(?i)\b(authorization{_QUOTE}\s*[=:]\s*{_QUOTE}(?:basic|digest|token|apikey|negotiate)\s+)([^\s\"'\\,;]{{6,}})"
)
_URL_PASSWORD = re.compile(r"\b([a-z][a-z0-9+.-]{0,30}://[^\s/:@\"'<>]{0,200}:)([^\s/\"'<>]{1,500})(@)", re.IGNORECASE)


# Each pattern needs one of these. Most lines hold none, and looking for them is ten times as fast.
_HINTS = (
    "sk-ant-", "bearer", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "akia", "eyj", "-----begin", "://",
    "password", "passwd", "secret", "token", "apikey", "api_key", "api-key", "authorization",
)  # fmt: skip


def spellings(secret: str) -> set[str]:
    """How a secret may be written: raw, in JSON, percent-encoded, as hexadecimal digits, in base64."""
    raw = secret.encode("utf-8", "surrogateescape")
    escaped = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    quoted = {quote(raw, safe=safe) for safe in ("", "/", "!'()*")}
    return {
        secret,
        *escaped,
        *(json.dumps(text)[1:-1] for text in escaped),  # JSON within JSON
        *quoted,
        *(_lower_percents(text) for text in quoted),
        *(text.replace("%20", "+") for text in quoted),
        raw.hex(),
        raw.hex().upper(),
        *_base64(raw),
    }


def _lower_percents(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found.group().lower(), text)


def _base64(raw: bytes) -> set[str]:
    """What a secret looks like inside of base64, wherever it begins within the encoded bytes (`user:secret`).

    Six bits make a character, so there are three alignments. Characters that also hold bits of a neighbour are left
    out: they differ from place to place.
    """
    found = {base64.b64encode(raw).decode().rstrip("=")}
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        found.add(encoded[-(-8 * before // 6) : 8 * (before + len(raw)) // 6])
    return found | {text.replace("+", "-").replace("/", "_") for text in found}


def redactor(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """A function that removes the known `secrets` in every usual spelling, and whatever looks like a secret.

    Secrets under 6 characters are not looked for: they would tear holes into ordinary words.
    """
    spelled = {s for secret in secrets if len(secret) >= 6 for s in spellings(secret)}
    known = sorted((s for s in spelled if s not in MASK), key=lambda s: (-len(s), s))
    exact = re.compile("|".join(re.escape(k) for k in known)) if known else None

    def redact(text: str) -> str:
        if exact is not None:
            text = exact.sub(MASK, text)
        if text.isascii():  # others have letters that a pattern takes for one of these
            lower = text.lower()
            if not any(hint in lower for hint in _HINTS):
                return text
        for pattern in _PATTERNS:
            text = pattern.sub(MASK, text)
        text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
        text = _URL_PASSWORD.sub(rf"\1{MASK}\3", text)
        return _ASSIGNED.sub(rf"\1{MASK}", text)

    return redact


_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")
_KEY_LINES = 270  # a 16,384-bit RSA key; text that only pretends to begin one must not hide a whole log


class LineRedactor:
    """Redacts text that comes line by line, where no single line of a private key looks like a secret."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._left = 0

    def line(self, text: str) -> str:
        """The line as it may be kept. Every line must be given, in order."""
        if self._left > 0:
            self._left = 0 if _KEY_ENDS.search(text) else self._left - 1
            return MASK
        last = next(reversed(list(_KEY_BEGINS.finditer(text))), None)
        if last is not None and not _KEY_ENDS.search(text, last.end()):
            self._left = _KEY_LINES
        return self._redact(text)
