"""Messages to people."""

from enum import StrEnum

from domain.base import Value
from domain.ids import IncidentId


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


class Notice(Value):
    """One message. The same `key` is sent at most once per channel."""

    key: str
    kind: NoticeKind
    title: str
    body: str
    incident: IncidentId | None = None
    link: str = ""


class Delivery(Value):
    """What one channel made of one notice. `channel` is our own id, never the address."""

    channel: str
    delivered: bool
    message: str
