"""Removes secrets from text before it is stored, shown, prompted or sent."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast
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
        r"\btal_[A-Za-z0-9_-]{20,}",  # our own approval links
        r"\btcl_[0-9a-f]{10}_[A-Za-z0-9-]{20,}",  # our own keys; lists show what stands before the second "_"
        r"\btds_[A-Za-z0-9_-]{20,}",  # our own tokens of remote sessions
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
    "sk-ant-", "tal_", "tcl_", "tds_", "bearer", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "akia", "eyj", "-----begin", "://",
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


class Redactor:
    """Removes known secrets in every usual spelling, and whatever looks like a secret.

    Secrets under 6 characters are not looked for: they would tear holes into ordinary words.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spelled = {s for secret in secrets if len(secret) >= LEAST for s in spellings(secret)}
        self.spelled = sorted((s for s in spelled if s not in MASK), key=lambda s: (-len(s), s))
        self._exact = re.compile("|".join(re.escape(k) for k in self.spelled)) if self.spelled else None
        self._torn = Torn(self.spelled)

    def __call__(self, text: str) -> str:
        if self._exact is not None:
            text = self._exact.sub(MASK, text)
        if text.isascii():  # others have letters that a pattern takes for one of these
            lower = text.lower()
            if not any(hint in lower for hint in _HINTS):
                return text
        for pattern in _PATTERNS:
            text = pattern.sub(MASK, text)
        text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
        text = _URL_PASSWORD.sub(rf"\1{MASK}\3", text)
        return _ASSIGNED.sub(rf"\1{MASK}", text)

    def piece(self, text: str) -> str:
        """As one line of several, where a known secret may begin, end, or go through."""
        return self(self._torn.mask(self._exact.sub(MASK, text) if self._exact is not None else text))


def redactor(secrets: Iterable[str] = ()) -> Redactor:
    """See Redactor."""
    return Redactor(secrets)


LEAST = 6  # characters of a secret, and of a part of one that is looked for
_MIDDLE = 12  # characters of a line that is nothing but a part of a secret
_HEAD = re.compile(r"^[\s●!…←✗→>|]*")  # what a shown line begins with
_ADDRESS = re.compile(r"(?i)(?::|%3a)(?:/|%2f|\\\\*/)")
_END = re.compile(r"[\s…]*$")  # and ends with, where it was cut


class Torn:
    """Masks parts of known secrets at the edges of lines: wrapped base64, cut lines, text in pieces.

    A part of fewer than 6 characters at the very edge stays. No secret can be put together from that.
    """

    def __init__(self, spelled: Sequence[str]) -> None:
        self._begin: dict[str, list[str]] = {}
        self._end: dict[str, list[str]] = {}
        # The beginning of an address is an ordinary word: a line that ends in `postgresql` must stay as it is.
        self._spelled = [s for s in spelled if len(s) > LEAST and not _ADDRESS.search(s)]
        for s in self._spelled:
            self._begin.setdefault(s[:LEAST], []).append(s)
            self._end.setdefault(s[-LEAST:], []).append(s)
        self._longest = max(map(len, spelled), default=0)

    def mask(self, line: str) -> str:
        """The line without parts of secrets at its two ends."""
        if not self._spelled:
            return line
        head, tail = _HEAD.match(line), _END.search(line)
        begin = head.end() if head else 0
        end = max(begin, tail.start() if tail else len(line))
        core = line[begin:end]
        if _MIDDLE <= len(core) < self._longest and any(core in s for s in self._spelled):
            return line[:begin] + MASK + line[end:]
        core = self._without_end(self._without_begin(core))
        return line[:begin] + core + line[end:]

    def _without_begin(self, core: str) -> str:
        """The line begins with the end of a secret: the longest such part goes."""
        for at in range(min(len(core), self._longest), LEAST - 1, -1):
            if any(s.endswith(core[:at]) for s in self._end.get(core[at - LEAST : at], ())):
                return MASK + core[at:]
        return core

    def _without_end(self, core: str) -> str:
        """The line ends with the beginning of a secret."""
        for at in range(max(0, len(core) - self._longest), len(core) - LEAST + 1):
            if any(s.startswith(core[at:]) for s in self._begin.get(core[at : at + LEAST], ())):
                return core[:at] + MASK
        return core


_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")
_KEY_LINES = 270  # a 16,384-bit RSA key; text that only pretends to begin one must not hide a whole log


class LineRedactor:
    """Redacts text that comes line by line, where no single line of a private key looks like a secret."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact.piece if isinstance(redact, Redactor) else redact
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


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """Plain data with every text in it redacted, names too."""
    match value:
        case str():
            return redact(value)
        case Mapping():
            pairs = cast("Mapping[object, object]", value).items()
            return {redact(str(k)): redacted(v, redact) for k, v in pairs}
        case list() | tuple():
            return [redacted(v, redact) for v in cast("Sequence[object]", value)]
        case _:
            return value
