"""Links in notices: 256 random bits each, of which the record keeps only the sha256."""

import hashlib
import re
import secrets
from datetime import datetime

from adapters.database.pool import Pool, first
from domain.ids import ApprovalId, derived_uuid
from domain.incident import Approval
from domain.links import ApprovalLink, LinkPurpose, Reader
from domain.people import OWNER

PREFIX = "tal_"  # so that policy/redaction.py knows a token wherever it must not be
_TOKEN = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")


class LinkStore:
    """Implements domain.ports.ApprovalLinks, and finds links again. Without `login` the owner reads every channel."""

    def __init__(self, pool: Pool, *, login: bool = True) -> None:
        self._pool = pool
        self._login = login

    async def issue(self, approval: Approval, person: str, purpose: LinkPurpose, channel: str, at: datetime) -> str:
        """Make a link and give its token. It is good no longer than its approval."""
        token = PREFIX + secrets.token_urlsafe(32)
        params = {
            "id": "lnk_" + derived_uuid("link", sha256(token))[:18],
            "token_sha256": sha256(token),
            "approval": approval.id,
            "digest": approval.digest,
            "person": person,
            "purpose": purpose,
            "channel": channel,
            "created_at": at,
            "expires_at": approval.expires_at,
        }
        await self._pool.write("save_approval_link", params)
        return token

    async def find(self, token: str) -> ApprovalLink | None:
        """By the token that somebody brought. Looking changes nothing."""
        if not _TOKEN.fullmatch(token):
            return None
        return first(await self._pool.values("find_approval_link", ApprovalLink, {"token_sha256": sha256(token)}))

    async def by_id(self, link: str) -> ApprovalLink | None:
        """By its id, which opens nothing: whoever names it must be logged in as its person."""
        return first(await self._pool.values("find_approval_link_by_id", ApprovalLink, {"id": link}))

    async def used(self, link: str, at: datetime, how: str) -> bool:
        """Write that a link was used. False where it was before."""
        return await self._pool.write("use_approval_link", {"id": link, "at": at, "how": how}) > 0

    async def readers(self) -> tuple[Reader, ...]:
        """Everybody who is not disabled, by name."""
        if not self._login:
            return (Reader(name=OWNER.name, role=OWNER.role),)
        return tuple(await self._pool.values("list_readers", Reader))

    async def approval(self, approval: ApprovalId) -> Approval | None:
        """One approval by id."""
        body = first(await self._pool.scalars("find_approval", {"id": approval}))
        return None if body is None else Approval.model_validate(body)


def sha256(token: str) -> str:
    """What the record keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
