"""Answers by a link from a message. The token shows which link; a PIN, or a session, shows who holds the phone.

Looking never acts. Approving by a link needs the PIN of the person that it was made for; denying needs the link alone,
because it is the safe answer. The engine decides who was first, as for every other answer.
"""

import uuid
from dataclasses import dataclass

from adapters.database.audit import AuditStore
from adapters.database.links import LinkStore
from adapters.database.people import PeopleStore
from domain.ids import ApprovalId
from domain.incident import Approval
from domain.links import ApprovalLink, LinkPurpose
from domain.people import OWNER, Permission, Who
from domain.ports import Clock
from policy import links as policy
from policy.links import LinkState, LinkVerdict
from policy.people import ROLE_MAY
from web.services.actions import Act, Actions, Actor
from web.services.logins import Logins, Visitor

ONE_TAP = "one tap"
PIN = "with the PIN"
SESSION = "logged in"
UNSAID = "denied with one tap on a message, without a reason"


@dataclass(frozen=True)
class Followed:
    """A link as somebody found it. `wait_s` after too many wrong PINs."""

    verdict: LinkVerdict
    link: ApprovalLink | None = None
    approval: Approval | None = None
    act: Act | None = None
    wait_s: float = 0.0


class LinkDesk:
    """Follows links, and carries their answers to the one act service."""

    def __init__(
        self,
        links: LinkStore,
        people: PeopleStore,
        logins: Logins,
        actions: Actions,
        audit: AuditStore,
        clock: Clock,
        *,
        login: bool,
    ) -> None:
        self._links = links
        self._people = people
        self._logins = logins
        self._actions = actions
        self._audit = audit
        self._clock = clock
        self._login = login

    async def follow(self, token: str, visitor: str = "") -> Followed:
        """What a link leads to. Changes nothing, whoever asks and however often."""
        link = await self._links.find(token)
        if link is not None and link.purpose != LinkPurpose.ANSWER:
            link = None  # a button's token opens no page
        return await self._judged(link, visitor)

    async def answer(self, token: str, *, approve: bool, pin: str, reason: str, visitor: Visitor) -> Followed:
        """Approve or deny by the token alone: whoever sends it may come from anywhere, with or without cookies."""
        found = await self._judged(await self._links.find(token), "")
        link, approval = found.link, found.approval
        if link is None or approval is None or found.verdict.state != LinkState.OPEN:
            await self._refused(link, visitor, found.verdict.head)
            return found
        problem, wait_s = await self._problem(link, approve, pin, visitor)
        if problem:
            await self._refused(link, visitor, problem)
            return Followed(found.verdict, link, approval, Act(accepted=False, message=problem), wait_s)
        proof = PIN if approve else ONE_TAP
        reason = reason.strip() or ("" if approve else UNSAID)
        act = await self._decide(link, approval, approve=approve, reason=reason, proof=proof)
        return Followed(found.verdict, link, approval, act)

    async def of_session(self, link: str, approval: ApprovalId, who: Who) -> ApprovalLink | None:
        """The link by which somebody who is logged in came to this approval; None where it is not theirs."""
        found = await self._links.by_id(link) if link else None
        if found is None or found.approval != approval or found.person != who.name or found.used_at is not None:
            return None
        return found

    async def spent(self, link: ApprovalLink) -> None:
        """Its person answered while logged in."""
        await self._links.used(link.id, self._clock.now(), SESSION)

    async def _judged(self, link: ApprovalLink | None, visitor: str) -> Followed:
        approval = await self._links.approval(link.approval) if link else None
        return Followed(policy.judge(link, approval, self._clock.now(), visitor), link, approval)

    async def _problem(self, link: ApprovalLink, approve: bool, pin: str, visitor: Visitor) -> tuple[str, float]:
        if approve and link.purpose != LinkPurpose.ANSWER:
            return "This button can only deny. Open the link of the message to approve.", 0.0
        if not self._login and link.person == OWNER.name:
            return (
                "Answer on the approval's page: nobody has a PIN while login is switched off." if approve else ""
            ), 0.0
        person = await self._people.named(link.person)
        if person is None or person.disabled_at is not None or Permission.ACT not in ROLE_MAY[person.role]:
            return f"{link.person} may not answer approvals any more. Ask an admin.", 0.0
        if not approve:
            return "", 0.0
        entry = await self._logins.verify_pin(link.person, pin, visitor)
        return ("" if entry.accepted else entry.message), entry.wait_s

    async def _decide(self, link: ApprovalLink, approval: Approval, *, approve: bool, reason: str, proof: str) -> Act:
        act = await self._actions.decide(
            approval,
            digest=link.digest,
            approve=approve,
            reason=reason,
            actor=Actor(kind="link", name=link.person),
            how=policy.how(link, proof),
        )
        if act.accepted:
            await self._links.used(link.id, self._clock.now(), proof)
        return act

    async def _refused(self, link: ApprovalLink | None, visitor: Visitor, why: str) -> None:
        """A link that is not ours is only worth a line while its sender has not sent many."""
        if link is None and not await self._logins.may_guess(visitor):
            return
        detail: dict[str, object] = {"address": visitor.address, "browser": visitor.user_agent[:200], "why": why}
        await self._audit.audit(
            uuid.uuid4().hex,
            self._clock.now(),
            "link" if link else "web",
            link.person if link else visitor.address,
            "link.refused",
            link.approval if link else "",
            {**detail, **({"link": link.id, "channel": link.channel} if link else {})},
        )
