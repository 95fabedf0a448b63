"""Words of others inside a Markdown file: they stay words, in every renderer that people paste such a file into."""

import re

from web.ansi import clean

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~!$])")  # $: some renderers set formulas
_LINK = re.compile(r":(?=\S)|(?<=www)\.", re.IGNORECASE)  # bare addresses become links by themselves
_LIST = re.compile(r"^(?:([-+=])|(\d{1,9})([.)]))")
_TICKS = re.compile(r"`+")


def inline(text: str, limit: int = 2000) -> str:
    """`text` in one line, as a reader sees it: no markup, no HTML, no link, nobody is mentioned."""
    line = " ".join(clean(text).split())
    if len(line) > limit:
        line = line[:limit] + " …"
    line = _SPECIAL.sub(r"\\\1", line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    line = _LINK.sub(r"\\\g<0>", line).replace("@", "&#64;\u2060")
    return _LIST.sub(lambda m: "\\" + m[1] if m[1] else f"{m[2]}\\{m[3]}", line)


def block(text: str, limit: int = 8000) -> str:
    """`text` as a code block whose fence is longer than any inside."""
    body = clean(text).strip("\n")
    if len(body) > limit:
        body = body[:limit] + "\n…"
    fence = "`" * max(3, 1 + max((len(run) for run in _TICKS.findall(body)), default=0))
    return f"{fence}text\n{body}\n{fence}"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table. Cells must be Markdown already: `inline` escapes the bar."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
