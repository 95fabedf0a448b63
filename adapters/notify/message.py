"""What one channel shows of a notice. Pure: bounds and wording, no sending."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import urlencode

from domain.notice import Button, Notice, NoticeKind

Severity = Literal["info", "success", "warning", "failure"]

SEVERITY: Mapping[NoticeKind, Severity] = {
    NoticeKind.NOTICED: "warning",
    NoticeKind.REMEDIATED: "success",
    NoticeKind.NEEDS_PERSON: "failure",
    NoticeKind.APPROVAL: "warning",
    NoticeKind.REFUSED: "warning",
    NoticeKind.RECOVERED: "success",
    NoticeKind.REOPENED: "failure",
    NoticeKind.BROKEN: "failure",
    NoticeKind.DIGEST: "info",
    NoticeKind.TEST: "info",
}
NTFY = ("ntfy", "ntfys")
_MENTION = re.compile(r"@(?=everyone\b|here\b|channel\b|all\b)|<(?=[@!#&])", re.IGNORECASE)
_INVISIBLE = "\u200b"
_CUT = "\n[...]"


def title_for(notice: Notice, limit: int) -> str:
    """The title in at most `limit` characters; a `limit` of 0 or less is a channel without titles."""
    title = " ".join(_harmless(notice.title).split())
    return title if limit <= 0 or len(title) <= limit else title[: limit - 1] + "…"


def body_for(notice: Notice, limit: int) -> str:
    """The body with its link in at most `limit` characters. The link is never cut: it leads to the rest."""
    body = _harmless(notice.body).strip()
    link = f"\n\n{notice.link}" if notice.link else ""
    room = max(0, limit - len(link))
    if len(body) > room:
        body = body[: max(0, room - len(_CUT))] + _CUT
    return (body + link).strip() or title_for(notice, limit)


def ntfy_actions(buttons: Sequence[Button]) -> str:
    """Ntfy's `X-Actions`: a button opens its address, or with a token posts that and takes the message away."""
    return json.dumps([_ntfy_action(button) for button in buttons[:3]])


def _ntfy_action(button: Button) -> dict[str, object]:
    if not button.token:
        return {"action": "view", "label": button.label, "url": button.url}
    return {
        "action": "http",
        "label": button.label,
        "url": button.url,
        "method": "POST",
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        "body": urlencode({"token": button.token, "decision": button.label.lower()}),
        "clear": True,
    }


def _harmless(text: str) -> str:
    """Text that may quote a log: without control characters, and calling nobody by name in a chat."""
    printable = "".join(c for c in text if c in "\n\t" or (c.isprintable() and not "\ud800" <= c <= "\udfff"))
    return _MENTION.sub(lambda found: found[0] + _INVISIBLE, printable)
