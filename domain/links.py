"""Links in notices that lead to one approval: made for one person, about one exact action, good for one answer."""

from datetime import datetime
from enum import StrEnum

from domain.base import Value
from domain.ids import ApprovalId
from domain.people import Role


class LinkPurpose(StrEnum):
    """What a link may do. Approving always needs more than a link: a session or a PIN."""

    ANSWER = "answer"  # opens the page where the action is shown and answered
    DENY = "deny"  # a button in a message: no page, only the safe answer


class ApprovalLink(Value):
    """One link, without its token: only the token's hash is kept."""

    id: str
    approval: ApprovalId
    digest: str
    person: str  # name
    purpose: LinkPurpose
    channel: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    used_how: str = ""


class Reader(Value):
    """Somebody who may have a channel of their own."""

    name: str
    role: Role


class Addresses(Value):
    """Where messages lead to, and whose channels they are (by place in the list, from 1)."""

    people_url: str  # always an address, maybe only on this machine
    public_url: str = ""  # "" where nobody said one: then no message carries a token
    channel_people: dict[int, str] = {}
