"""Whether a link may still be used, and the words and buttons of a notice that carries one."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from domain.base import Value
from domain.incident import Approval, ApprovalState
from domain.links import Addresses, ApprovalLink, Reader
from domain.notice import Button, Notice
from domain.people import Permission
from policy.approvals import already
from policy.people import ROLE_MAY

PAGE = "/a/"  # below the dashboard's address; the token follows
POST = "/a"  # a token in the body, whatever it is to do


class LinkState(StrEnum):
    """What a link is at this moment."""

    OPEN = "open"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    USED = "used"
    ANSWERED = "answered"  # without this link
    REPLACED = "replaced"
    FOREIGN = "foreign"


class LinkVerdict(Value):
    """The state of a link in words, with the next step."""

    state: LinkState
    head: str = ""
    text: str = ""
    next: str = ""


def judge(link: ApprovalLink | None, approval: Approval | None, now: datetime, visitor: str = "") -> LinkVerdict:
    """`visitor` is the name of whoever is logged in, "" for nobody."""
    if link is None or approval is None:
        text = "No link of ours looks like this. A part of it may be missing, or it is older than what is kept."
        return _no(
            LinkState.UNKNOWN,
            "This link is not known",
            text,
            "Open the message again, or log in and look at Approvals.",
        )
    if visitor and visitor != link.person:
        text = f"It was made for {link.person}. You are logged in as {visitor}."
        return _no(
            LinkState.FOREIGN, "This link is somebody else's", text, "Answer as yourself, on the approval's page."
        )
    if link.used_at is not None:
        text = f"It works once, and it was used: {link.used_how}. The action is {already(approval)}."
        return _no(LinkState.USED, "This link was used", text, "There is nothing more to do.")
    if link.digest != approval.digest:
        text = "The action is not the one that the message was about."
        return _no(LinkState.REPLACED, "This link was replaced", text, "Log in and look at the action as it is now.")
    if approval.state not in {ApprovalState.PENDING, ApprovalState.EXPIRED}:
        text = f"The action is {already(approval)}."
        return _no(LinkState.ANSWERED, "This was answered", text, "There is nothing more to do.")
    if approval.state == ApprovalState.EXPIRED or now >= min(link.expires_at, approval.expires_at):
        text = "Nobody answered in time, so the action was denied. Nothing was done."
        return _no(
            LinkState.EXPIRED,
            "This link has expired",
            text,
            "If it is still needed, log in and let a session look again.",
        )
    return LinkVerdict(state=LinkState.OPEN)


def _no(state: LinkState, head: str, text: str, next_step: str) -> LinkVerdict:
    return LinkVerdict(state=state, head=head, text=text, next=next_step)


def how(link: ApprovalLink, proof: str) -> str:
    """How somebody answered, for the record: which link, and what they showed besides it."""
    return f"link {link.id} from {link.channel}, {proof}"


# ---------------------------------------------------------------- notices


def reader_of(channel: str, people: Mapping[int, str], readers: tuple[Reader, ...]) -> str:
    """Who reads a channel (`ch2-ntfy` is the second address); "" where its links would be nobody's.

    Where the settings name nobody, it is the one account that there is. With several, an answer by a link could not
    honestly carry a name, so the message leads to the login instead.
    """
    place = channel.removeprefix("ch").partition("-")[0]
    named = people.get(int(place), "") if place.isdecimal() else ""
    name = named or (readers[0].name if len(readers) == 1 else "")
    return name if any(r.name == name and Permission.ACT in ROLE_MAY[r.role] for r in readers) else ""


def addressed(notice: Notice, where: Addresses) -> Notice:
    """A notice whose link is a whole address."""
    if not notice.link.startswith("/"):
        return notice
    return notice.model_copy(update={"link": (where.public_url or where.people_url).rstrip("/") + notice.link})


def carrying(notice: Notice, where: Addresses, page_token: str, deny_token: str) -> Notice:
    """The notice of an approval with its links: a page for everybody, buttons where a channel has them."""
    base = where.public_url.rstrip("/")
    page = f"{base}{PAGE}{page_token}"
    deny = Button(label="Deny", url=f"{base}{POST}", token=deny_token)
    return notice.model_copy(update={"link": page, "buttons": (Button(label="Approve", url=page), deny)})


def opening(notice: Notice) -> Notice:
    """The notice of an approval for a channel of nobody: one button, to the page behind the login."""
    return notice.model_copy(update={"buttons": (Button(label="Open", url=notice.link),)})
