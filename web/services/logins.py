"""Who is there: logging in and out, sessions, keys, the PIN. Knows no HTTP.

Every login, failure, refusal and end is written to the audit, never with what was typed.
"""

import hmac
import uuid
from datetime import timedelta

from adapters.database.audit import AuditStore
from adapters.database.logins import LoginStore
from adapters.database.people import PeopleStore
from adapters.database.records import ApiKeyRow, WebSessionRow
from domain.base import Value
from domain.ids import canonical_name, is_name
from domain.people import Attempt, AttemptKind, KeyLimits, Person, Role, Scope, Who
from domain.ports import Clock, Passwords
from policy import people as policy
from web.services.tokens import Random, new_token, sealed, shown_part

SEEN_EVERY = timedelta(seconds=60)
WRONG = "The name or the password is wrong."


class Visitor(Value):
    """From where somebody comes. `browser` is the cookie of a browser that logged in before."""

    address: str
    user_agent: str = ""
    browser: str = ""


class Entry(Value):
    """What came of an attempt. `cookie` and `browser` are for the browser alone."""

    accepted: bool
    message: str = ""
    wait_s: float = 0.0
    cookie: str = ""
    browser: str = ""


class KeyAnswer(Value):
    """Who a key stands for, or why it is refused."""

    who: Who | None = None
    message: str = ""


class Logins:
    """Sessions, keys and PINs over the record."""

    def __init__(
        self,
        store: LoginStore,
        people: PeopleStore,
        audit: AuditStore,
        passwords: Passwords,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._people = people
        self._audit = audit
        self._passwords = passwords
        self._clock = clock
        self._random = random

    # ------------------------------------------------------------ in and out

    async def login(self, name: str, password: str, visitor: Visitor) -> Entry:
        """A session for the right password. Guessing becomes slow; nobody is ever locked out."""
        name = canonical_name(name)
        person = await self._people.named(name) if is_name(name) else None
        browser = sealed(visitor.browser)
        if await self._store.knows_browser(browser, person.id if person else ""):
            own, address = Attempt(kind=AttemptKind.BROWSER, subject=browser), None
        else:
            own = Attempt(kind=AttemptKind.ACCOUNT, subject=name if is_name(name) else "?")
            address = Attempt(kind=AttemptKind.ADDRESS, subject=policy.address_group(visitor.address))
        wait = await self._store.begin_attempt((own, address) if address else (own,), self._clock.now())
        if wait:
            return Entry(accepted=False, message=_slow(wait), wait_s=wait)
        usable = person is not None and person.disabled_at is None and len(password) <= policy.LONGEST_PASSWORD
        right = await self._passwords.verify(password, person.password_hash if person and usable else None)
        if person is None or not right:
            await self._said(visitor, "login.failed", person.name if person else "")
            return Entry(accepted=False, message=WRONG)
        await self._store.forgive((own,), (address,) if address else ())
        return await self.enter(person, visitor)

    async def enter(self, person: Person, visitor: Visitor) -> Entry:
        """A new session for somebody who has just shown who they are."""
        now = self._clock.now()
        cookie, browser = new_token(self._random), visitor.browser or new_token(self._random)
        await self._store.begin(
            sealed(cookie), person.id, now, now + policy.ABSOLUTE, visitor.address, visitor.user_agent
        )
        await self._store.know_browser(sealed(browser), person.id, now)
        await self._said(visitor, "login.done", person.name, person.name)
        return Entry(accepted=True, cookie=cookie, browser=browser)

    async def logout(self, who: Who, visitor: Visitor) -> None:
        """End this session."""
        if await self._store.end(who.session, who.person):
            await self._said(visitor, "login.ended", who.name, who.name)

    async def end_session(self, who: Who, session: str, visitor: Visitor) -> bool:
        """End another session of the same person."""
        ended = await self._store.end(session, who.person)
        if ended:
            await self._said(visitor, "login.ended_elsewhere", who.name, who.name)
        return ended

    async def sign_out_everywhere(self, who: Who, visitor: Visitor, *, here_too: bool) -> int:
        """End all sessions of a person. How many there were."""
        ended = await self._store.end_all(who.person, "" if here_too else who.session)
        await self._said(visitor, "login.ended_everywhere", who.name, who.name)
        return ended

    async def sessions(self, who: Who) -> tuple[WebSessionRow, ...]:
        """The live sessions of a person."""
        found = await self._store.sessions(who.person, self._clock.now())
        return tuple(s for s in found if not policy.session_is_over(s.expires_at, s.last_seen_at, self._clock.now()))

    # ------------------------------------------------------------ who is it

    async def of_cookie(self, cookie: str, address: str) -> Who | None:
        """The person whose session this is; None where it has ended."""
        row = await self._store.session(sealed(cookie))
        now = self._clock.now()
        if row is None or policy.session_is_over(row.expires_at, row.last_seen_at, now):
            return None
        if now - row.last_seen_at >= SEEN_EVERY:
            await self._store.seen(row.id, now, address)
        return Who(
            kind="user",
            name=row.name,
            role=Role(row.role),
            person=row.person,
            session=row.id,
            password_at=row.password_at,
        )

    async def of_key(self, key: str, visitor: Visitor, *, count: bool = True) -> KeyAnswer:
        """Whom a key stands for. A valid key always works; wrong ones cannot fill the audit."""
        shown = shown_part(key)
        row = await self._store.key(shown) if shown else None
        now = self._clock.now()
        problem = self._problem(row, key, visitor.address)
        if row is None or problem:
            counts = (Attempt(kind=AttemptKind.KEY, subject=policy.address_group(visitor.address)),)
            if not await self._store.begin_attempt(counts, now):
                await self._said(visitor, "key.refused", shown if row else "", detail={"why": problem})
            return KeyAnswer(message=problem)
        if count:
            await self._store.key_used(row.id, now, visitor.address)
            if row.last_used_at is None:
                await self._first_use(row, visitor)
        who = Who(
            kind="key",
            name=f"{row.name} of {row.owner}",
            role=Role(row.role),
            scopes=tuple(Scope(s) for s in row.scopes),
            person=row.person,
            session=row.id,
        )
        return KeyAnswer(who=who)

    def _problem(self, row: ApiKeyRow | None, key: str, address: str) -> str:
        if row is None or not hmac.compare_digest(row.hash, sealed(key)):
            return "This key is not known here."
        if row.revoked_at is not None:
            return "This key was revoked."
        if row.disabled_at is not None:
            return "The owner of this key is disabled."
        if row.expires_at is not None and row.expires_at <= self._clock.now():
            return "This key has expired; make a new one."
        if not policy.address_allowed(address, KeyLimits.model_validate(row.limits).addresses):
            return "This key may not be used from this address."
        return ""

    # ------------------------------------------------------------ the password or the PIN again

    async def confirm(self, who: Who, password: str, visitor: Visitor) -> Entry:
        """The password again, for harmful acts."""
        own = Attempt(kind=AttemptKind.BROWSER, subject=who.session)
        wait = await self._store.begin_attempt((own,), self._clock.now())
        if wait:
            return Entry(accepted=False, message=_slow(wait), wait_s=wait)
        person = await self._people.person(who.person)
        right = len(password) <= policy.LONGEST_PASSWORD and await self._passwords.verify(
            password, person.password_hash if person else None
        )
        if not right:
            await self._said(visitor, "password.failed", who.name, who.name)
            return Entry(accepted=False, message="The password is wrong.")
        await self._store.forgive((own,))
        await self._store.confirmed(who.session, self._clock.now())
        return Entry(accepted=True)

    async def verify_pin(self, name: str, pin: str, visitor: Visitor) -> Entry:
        """Whether this is the person's PIN. Its failures count for themselves: they never slow a login down."""
        person = await self._people.named(canonical_name(name))
        if person is None or person.pin_hash is None or person.disabled_at is not None:
            return Entry(accepted=False, message="This person has no PIN. Log in instead.")
        own = Attempt(kind=AttemptKind.PIN, subject=person.id)
        wait = await self._store.begin_attempt((own,), self._clock.now())
        if wait:
            return Entry(accepted=False, message=_slow(wait, "PIN"), wait_s=wait)
        if not (len(pin) <= 12 and await self._passwords.verify(pin, person.pin_hash)):
            await self._said(visitor, "pin.failed", person.name)
            return Entry(accepted=False, message="The PIN is wrong.")
        await self._store.forgive((own,))
        return Entry(accepted=True)

    async def may_guess(self, visitor: Visitor) -> bool:
        """Count something wrong that an address sent. False while it has sent many: then it is worth no line."""
        counts = (Attempt(kind=AttemptKind.KEY, subject=policy.address_group(visitor.address)),)
        return not await self._store.begin_attempt(counts, self._clock.now())

    async def refused(self, who: Who, what: str, why: str) -> None:
        """Somebody who was let in asked for something they may not do."""
        target = who.session if who.kind == "key" else who.name
        detail: dict[str, object] = {"what": what, "why": why}
        await self._audit.audit(
            uuid.uuid4().hex, self._clock.now(), who.kind, who.name, "access.refused", target, detail
        )

    # ------------------------------------------------------------ inside

    async def _first_use(self, row: ApiKeyRow, visitor: Visitor) -> None:
        """Once per key, also where two requests are the first at the same instant."""
        detail: dict[str, object] = {"address": visitor.address, "program": visitor.user_agent[:200]}
        once, name = f"key-first-use:{row.id}", f"{row.name} of {row.owner}"
        await self._audit.audit(once, self._clock.now(), "key", name, "key.used_first", row.id, detail)

    async def _said(
        self, visitor: Visitor, action: str, target: str, actor: str = "", detail: dict[str, object] | None = None
    ) -> None:
        """`actor` is a person who is known by now; without one it is whoever sits at that address."""
        body: dict[str, object] = {"address": visitor.address, "browser": visitor.user_agent[:200], **(detail or {})}
        kind = "user" if actor else "web"
        await self._audit.audit(
            uuid.uuid4().hex, self._clock.now(), kind, actor or visitor.address, action, target, body
        )


def _slow(wait: float, what: str = "password") -> str:
    seconds = max(1, round(wait + 0.5))
    return f"Too many attempts. Wait {seconds} s; then the right {what} works."
