"""What Postgres cannot hold, and what we store instead.

`text` and `jsonb` refuse the NUL character, and a lone surrogate has no UTF-8 form at all. Programs do print
both, so each becomes a visible substitute; otherwise one odd log line would block a session's record for ever.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import cast

from psycopg.types.json import Jsonb
from pydantic import BaseModel

NUL_SIGN = "\u2400"
REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` with NUL as U+2400 and every lone surrogate as U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", NUL_SIGN)
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


def jsonb(value: object) -> Jsonb:
    """`value` (a model, or plain data) as a jsonb parameter."""
    return Jsonb(_clean_json(value.model_dump(mode="json") if isinstance(value, BaseModel) else value))


def _clean_json(value: object) -> object:
    match value:
        case str():
            return clean(value)
        case float() if not math.isfinite(value):
            return str(value)  # JSON has no such numbers; pydantic reads "inf" and "nan" back as floats
        case Mapping():
            pairs = cast("Mapping[object, object]", value).items()
            return {clean(str(key)): _clean_json(item) for key, item in pairs}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_clean_json(item) for item in cast("Sequence[object]", value)]
        case None | bool() | int() | float():
            return value
        case _:
            return clean(str(value))
