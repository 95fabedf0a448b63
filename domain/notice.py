"""Messages to people."""

from enum import StrEnum

from domain.base import Value
from domain.ids import ApprovalId, IncidentId


class NoticeKind(StrEnum):
    """Why somebody is told."""

    NOTICED = "noticed"
    REMEDIATED = "remediated"
    NEEDS_PERSON = "needs_person"
    APPROVAL = "approval"
    REFUSED = "refused"
    RECOVERED = "recovered"
    REOPENED = "reopened"
    BROKEN = "broken"  # a runner, a credential, an engine of ours
    DIGEST = "digest"
    TEST = "test"


class Button(Value):
    """What a message can do where its channel has buttons: open `url`, or with a `token` post that to it."""

    label: str
    url: str
    token: str = ""


class Notice(Value):
    """One message. The same `key` is sent at most once per channel.

    `buttons`, and a `link` with a token, are made for one channel just before sending and are never kept.
    """

    key: str
    kind: NoticeKind
    title: str
    body: str
    incident: IncidentId | None = None
    link: str = ""
    approval: ApprovalId | None = None
    buttons: tuple[Button, ...] = ()


class DigestCounts(Value):
    """What one day's digest tells. The first group counts the day, the second is as it is now."""

    patrols: int
    watched_before: bool  # whether there was any patrol before that day
    opened: int
    resolved: int
    self_healed: int
    actions_done: int
    actions_refused: int
    tokens: int
    cost_usd: float

    services: int
    down: int
    needs_person: int
    pending_approvals: int


class Delivery(Value):
    """What one channel made of one notice. `channel` is our own id, never the address."""

    channel: str
    delivered: bool
    message: str
