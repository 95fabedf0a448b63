"""Writes docs/settings.md from the settings themselves: `python -m config.document`. A test keeps the page in step."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from config import telemetry
from config.settings import Settings, variable_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
HEAD = """\
# Settings

All settings come from the environment. `NAME_FILE` reads the value of `NAME` from a file, for secrets. A wrong value
stops the start with one line that names the variable and the fix; so does a `TIERCEL_` variable that does not exist.

This page is written by `python -m config.document` from `config/settings.py`. Do not edit it.

| variable | default | values | meaning |
|---|---|---|---|
"""
TELEMETRY = """
## Telemetry

The standard variables of OpenTelemetry. Without an address no telemetry is made.

| variable | meaning |
|---|---|
"""


def page() -> str:
    """The whole page."""
    settings = [_row(name, field) for name, field in Settings.model_fields.items()]
    standard = [f"| `{name}` | {_cell(text)} |" for name, text in telemetry.VARIABLES.items()]
    return HEAD + "\n".join(settings) + "\n" + TELEMETRY + "\n".join(standard) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{variable_of(name)}`", _default(field), _values(field), _cell(field.description or ""))
    return f"| {' | '.join(cells)} |"


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{_cell(str(value).replace(str(Path.home()), '~'))}`"


def _values(field: FieldInfo) -> str:
    kinds = get_args(field.annotation) or (field.annotation,)
    if get_origin(field.annotation) is Literal:
        return " ".join(f"`{choice}`" for choice in kinds if choice)
    if SecretStr in kinds:
        return "secret"
    if bool in kinds:
        return "`true` `false`"
    return ", ".join(bound for rule in field.metadata if (bound := _bound(rule)))


def _bound(rule: object) -> str:
    match rule:
        case annotated_types.Ge(ge=limit):
            return f"at least {limit}"
        case annotated_types.Le(le=limit):
            return f"at most {limit}"
        case annotated_types.Gt(gt=limit):
            return f"above {limit}"
        case annotated_types.Lt(lt=limit):
            return f"below {limit}"
        case _:
            return ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
