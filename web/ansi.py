"""Terminal colours to classes. Every other escape sequence, control and bidi override becomes visible or goes."""

import re

from markupsafe import Markup, escape

_ESCAPE = re.compile(r"\x1b\[([0-9;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")


def clean(text: str) -> str:
    """Plain text: no escape sequences; controls and direction overrides written out so that nothing hides."""
    return _visible(_ESCAPE.sub("", text))


def to_html(text: str) -> Markup:
    """Escaped HTML with `<span class="a-red">` for colours. Never a style attribute."""
    if "\x1b" not in text:
        return escape(_visible(text))
    out: list[Markup] = []
    classes: frozenset[str] = frozenset()
    position = 0
    for match in _ESCAPE.finditer(text):
        out.append(_span(text[position : match.start()], classes))
        position = match.end()
        if match.group(1) is not None:
            classes = _apply(match.group(1), classes)
    out.append(_span(text[position:], classes))
    return Markup("").join(out)


def _span(text: str, classes: frozenset[str]) -> Markup:
    if not text:
        return Markup("")
    shown = escape(_visible(text))
    return Markup('<span class="{}">{}</span>').format(" ".join(sorted(classes)), shown) if classes else shown


def _visible(text: str) -> str:
    text = _CONTROL.sub(
        lambda m: "" if m.group() == "\r" else chr(0x2400 + ord(m.group())) if ord(m.group()) < 0x20 else "\ufffd", text
    )
    return _BIDI.sub(lambda m: f"[U+{ord(m.group()):04X}]", text)


def _apply(params: str, classes: frozenset[str]) -> frozenset[str]:
    codes = [int(p) if p.isdigit() else 0 for p in re.split("[;:]", params)]
    i = 0
    while i < len(codes):
        code = codes[i]
        if code in {38, 48} and i + 1 < len(codes):  # 256 colours and RGB: skipped with their arguments
            i += 3 if codes[i + 1] == 5 else 5
            continue
        classes = _one(code, classes)
        i += 1
    return classes


def _one(code: int, classes: frozenset[str]) -> frozenset[str]:
    if code == 0:
        return frozenset()
    if code in {1, 22}:
        return classes | {"a-bold"} if code == 1 else classes - {"a-bold", "a-dim"}
    if code == 2:
        return classes | {"a-dim"}
    plain = frozenset(c for c in classes if c in {"a-bold", "a-dim"})
    if 30 <= code <= 37 or 90 <= code <= 97:
        return plain | {f"a-{_COLOURS[code % 10]}"}
    return plain if code == 39 else classes
