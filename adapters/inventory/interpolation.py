"""${VARIABLE} in compose files, resolved from the `.env` beside them and from defaults; never from our environment."""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(
    r"\$(?:\$|\{(?P<braced>[A-Za-z_]\w*)(?:(?P<op>:?[-?+])(?P<word>[^${}]*))?\}|(?P<plain>[A-Za-z_]\w*))"
)


class UnsetVariableError(ValueError):
    """A variable without value and default."""


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Raises UnsetVariableError that names the variable."""

    def one(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"]
        if not name:
            return "$"
        value, operator = values.get(name), match["op"] or ""
        empty = value is None or (operator.startswith(":") and value == "")
        if operator.endswith("+"):
            return "" if empty else match["word"]
        if not empty:
            return value or ""
        if operator.endswith("-"):
            return match["word"]
        raise UnsetVariableError(f"${{{name}}} has no value")

    return _VARIABLE.sub(one, text)


def dotenv(text: str) -> dict[str, str]:
    """Plain `NAME=value` lines."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, sep, value = line.strip().removeprefix("export ").partition("=")
        if sep and re.fullmatch(r"[A-Za-z_]\w*", name.strip()):
            plain = value.strip()
            quoted = len(plain) >= 2 and plain[0] == plain[-1] and plain[0] in "'\""
            found[name.strip()] = plain[1:-1] if quoted else plain.split(" #", 1)[0].rstrip()
    return found
