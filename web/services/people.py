"""Accounts and keys: setup, invitations, roles, passwords, PINs. Knows no HTTP; every change is in the audit."""

import uuid
from datetime import timedelta

from adapters.database.audit import AuditStore
from adapters.database.logins import LoginStore
from adapters.database.people import PeopleStore
from adapters.database.records import ApiKeyRow, EntryCodeRow, PersonRow, WebSessionRow
from domain.base import Value
from domain.ids import canonical_name, derived_uuid, is_name
from domain.people import Attempt, AttemptKind, CodeKind, KeyLimits, Person, Role, Scope, Who
from domain.ports import Clock, Passwords
from policy import people as policy
from web.services.actions import Actor
from web.services.logins import Entry, Logins, Visitor
from web.services.tokens import Random, new_code, new_key, plain_code, sealed

INVITATION_LASTS = timedelta(days=7)
RESET_LASTS = timedelta(days=1)
LAST_ADMIN = "This is the last admin who can log in. Make somebody else an admin first."
SPENT = "This code is not valid (any more). Ask an admin for a new one, or run `tiercel user code`."
NETWORKS = "Write networks like 192.168.1.0/24, with commas between them."
LONGEST_DAYS = 3650
NAMES = "A name has small letters, digits, dots, dashes and underscores, at most 63."


class Said(Value):
    """What came of a change. `secret` (a code or a key) is shown once and kept nowhere."""

    accepted: bool
    message: str
    secret: str = ""


class People:
    """Accounts and keys over the record."""

    def __init__(
        self,
        store: PeopleStore,
        logins: LoginStore,
        doors: Logins,
        audit: AuditStore,
        passwords: Passwords,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._logins = logins
        self._doors = doors
        self._audit = audit
        self._passwords = passwords
        self._clock = clock
        self._random = random

    # ------------------------------------------------------------ reading

    async def list(self) -> tuple[PersonRow, ...]:
        """All accounts."""
        return await self._store.people()

    async def named(self, name: str) -> Person | None:
        """One account."""
        return await self._store.named(canonical_name(name))

    async def of(self, who: Who) -> Person | None:
        """The account of somebody who is logged in."""
        return await self._store.person(who.person)

    async def without_admin(self) -> bool:
        """Whether nobody could manage this installation."""
        return await self._store.admins() == 0

    async def keys(self, owner: str = "") -> tuple[ApiKeyRow, ...]:
        """All keys, or those of `owner` (an id), at most 200; usable ones first."""
        return await self._logins.keys(owner)

    # ------------------------------------------------------------ coming in

    async def setup_code(self, actor: Actor) -> str | None:
        """A new code that makes the first admin; earlier ones are void. None where there is an admin."""
        if not await self.without_admin():
            return None
        code = new_code(self._random)
        await self._store.issue(sealed(code), CodeKind.SETUP, None, self._clock.now(), None)
        await self._said(actor, "setup.code_made", "")
        return code

    async def code(self, typed: str) -> EntryCodeRow | None:
        """What a code is for, while it is good. Looking uses nothing up."""
        return await self._store.code(sealed(plain_code(typed)), self._clock.now()) if typed else None

    async def join(self, typed: str, name: str, password: str, visitor: Visitor) -> Entry:
        """Use a code: the first admin, an invitation or a new password. Logs in at once."""
        own = Attempt(kind=AttemptKind.CODE, subject=policy.address_group(visitor.address))
        now = self._clock.now()
        wait = await self._logins.begin_attempt((own,), now)
        if wait:
            return Entry(accepted=False, message=f"Too many attempts. Wait {round(wait + 0.5)} s.", wait_s=wait)
        found = await self.code(typed)
        if found is None:
            await self._said(Actor(kind="web", name=visitor.address), "code.refused", "", {"address": visitor.address})
            return Entry(accepted=False, message=SPENT)
        await self._logins.forgive((own,))  # a good code with a weak password is no guess
        name = found.name or canonical_name(name)
        problem = "" if is_name(name) else NAMES
        problem = problem or policy.password_problem(password, name)
        if problem:
            return Entry(accepted=False, message=problem)
        new = Person(
            id=self._new_id(),
            name=name,
            role=Role.ADMIN,
            password_hash=await self._passwords.hash(password),
            created_at=now,
        )
        person = await self._store.redeem(sealed(plain_code(typed)), new, now)
        if person is None:
            return Entry(accepted=False, message=SPENT)
        await self._after(found.kind, person)
        return await self._doors.enter(person, visitor)

    async def _after(self, kind: str, person: Person) -> None:
        if kind == CodeKind.RESET:  # whoever had the old password is out
            await self._logins.end_all(person.id)
            await self._logins.forget_browsers(person.id)
        done = {CodeKind.SETUP: "setup.done", CodeKind.INVITATION: "user.joined", CodeKind.RESET: "password.reset"}
        await self._said(Actor(kind="user", name=person.name), done[CodeKind(kind)], person.name)

    # ------------------------------------------------------------ accounts, by an admin

    async def add(self, name: str, role: Role, actor: Actor) -> Said:
        """A new account and the code by which its owner sets a password."""
        name = canonical_name(name)
        if not is_name(name):
            return Said(accepted=False, message=NAMES)
        now = self._clock.now()
        person = self._new_id()
        if not await self._store.add(person, name, role, now):
            return Said(accepted=False, message=f"There is a user {name} already.")
        await self._said(actor, "user.added", name, {"role": str(role)})
        code = await self._issue(CodeKind.INVITATION, person, INVITATION_LASTS)
        return Said(
            accepted=True, message=f"{name} is invited as {role}. The link works once, for 7 days.", secret=code
        )

    async def reset(self, name: str, actor: Actor) -> Said:
        """A code for a new password. The old one works until the code is used."""
        person = await self.named(name)
        if person is None:
            return Said(accepted=False, message=f"There is no user {canonical_name(name)}.")
        if person.disabled_at is not None:
            return Said(
                accepted=False, message=f"{person.name} is disabled, so a link would not work. Enable them first."
            )
        new = person.password_hash is None
        code = await self._issue(
            CodeKind.INVITATION if new else CodeKind.RESET, person.id, INVITATION_LASTS if new else RESET_LASTS
        )
        await self._said(actor, "user.reset_offered", person.name)
        return Said(
            accepted=True,
            message=f"A new link for {person.name}. It works once, for {'7 days' if new else '24 hours'}."
            + await self._keys_left(person.id),
            secret=code,
        )

    async def change_role(self, name: str, role: Role, actor: Actor) -> Said:
        """At once, also for sessions that are open."""
        person = await self.named(name)
        if person is None:
            return Said(accepted=False, message=f"There is no user {canonical_name(name)}.")
        if not await self._store.change_role(person.id, role):
            return Said(accepted=False, message=LAST_ADMIN)
        await self._logins.tell(person.id)
        await self._said(actor, "user.role_changed", person.name, {"from": str(person.role), "to": str(role)})
        return Said(accepted=True, message=f"{person.name} is {role} now.")

    async def disable(self, name: str, actor: Actor, *, on: bool = True) -> Said:
        """Nobody is deleted: what they did keeps their name. Sessions end, keys stop to work."""
        person = await self.named(name)
        if person is None:
            return Said(accepted=False, message=f"There is no user {canonical_name(name)}.")
        if not await self._store.disable(person.id, self._clock.now() if on else None):
            return Said(accepted=False, message=LAST_ADMIN)
        if on:
            await self._logins.end_all(person.id)
        await self._logins.tell(person.id)
        await self._said(actor, "user.disabled" if on else "user.enabled", person.name)
        return Said(accepted=True, message=f"{person.name} is {'disabled' if on else 'enabled'}.")

    async def give_pin(self, name: str, pin: str, actor: Actor) -> Said:
        """Set or ("") remove somebody's PIN. Only for whoever owns the machine: with it one answers in their name."""
        person = await self.named(name)
        if person is None:
            return Said(accepted=False, message=f"There is no user {canonical_name(name)}.")
        problem = policy.pin_problem(pin) if pin else ""
        if problem:
            return Said(accepted=False, message=problem)
        await self._store.set_pin(person.id, await self._passwords.hash(pin) if pin else None)
        await self._said(actor, "pin.set" if pin else "pin.removed", person.name)
        return Said(accepted=True, message=f"{person.name} {'has a new PIN' if pin else 'has no PIN any more'}.")

    async def sessions(self) -> dict[str, tuple[WebSessionRow, ...]]:
        """Where everybody is logged in, by the id of the account, last used first."""
        now = self._clock.now()
        found: dict[str, list[WebSessionRow]] = {}
        for row in await self._logins.all_sessions(now):
            if not policy.session_is_over(row.expires_at, row.last_seen_at, now):
                found.setdefault(row.person, []).append(row)
        return {person: tuple(rows) for person, rows in found.items()}

    async def sign_out(self, name: str, session: str, actor: Actor) -> Said:
        """End one session of somebody, or all of them with `all`. Their open pages end at once."""
        person = await self.named(name)
        if person is None:
            return Said(accepted=False, message=f"There is no user {canonical_name(name)}.")
        everywhere = session == "all"
        ended = await (self._logins.end_all(person.id) if everywhere else self._logins.end(session, person.id))
        if not ended:
            return Said(accepted=False, message=f"{person.name} is not logged in there (any more).")
        await self._said(actor, "user.signed_out", person.name, {"sessions": int(ended)})
        return Said(accepted=True, message=f"{person.name} is signed out {'everywhere' if everywhere else 'there'}.")

    # ------------------------------------------------------------ one's own account

    async def change_password(self, who: Who, old: str, new: str, visitor: Visitor) -> Entry:
        """Ends the other sessions."""
        checked = await self._doors.confirm(who, old, visitor)
        if not checked.accepted:
            return checked
        problem = policy.password_problem(new, who.name)
        if problem:
            return Entry(accepted=False, message=problem)
        await self._store.set_password(who.person, await self._passwords.hash(new))
        await self._logins.end_all(who.person, who.session)
        await self._said(Actor(kind="user", name=who.name), "password.changed", who.name)
        left = await self._keys_left(who.person)
        return Entry(accepted=True, message=f"The password is changed. Other browsers are signed out.{left}")

    async def set_pin(self, who: Who, password: str, pin: str, visitor: Visitor) -> Entry:
        """Set or ("") remove the PIN for answers by a link."""
        checked = await self._doors.confirm(who, password, visitor)
        if not checked.accepted:
            return checked
        problem = policy.pin_problem(pin) if pin else ""
        if problem:
            return Entry(accepted=False, message=problem)
        await self._store.set_pin(who.person, await self._passwords.hash(pin) if pin else None)
        await self._said(Actor(kind="user", name=who.name), "pin.set" if pin else "pin.removed", who.name)
        return Entry(accepted=True, message="The PIN is set." if pin else "The PIN is removed.")

    # ------------------------------------------------------------ keys

    async def add_key(self, person: str, name: str, scope: Scope, days: int, networks: str, actor: Actor) -> Said:
        """A key of `person` (an id), shown once. `days` 0: no end."""
        owner = await self._store.person(person) if person else None
        allowed = policy.networks_of(networks)
        problem = _key_problem(owner, name.strip(), scope, days) or ("" if allowed is not None else NETWORKS)
        if problem or owner is None:
            return Said(accepted=False, message=problem)
        now = self._clock.now()
        shown, whole = new_key(self._random)
        until = now + timedelta(days=days) if days else None
        limits = KeyLimits(addresses=allowed or ())
        await self._logins.add_key(shown, sealed(whole), name.strip(), owner.id, (scope,), limits, now, until)
        detail: dict[str, object] = {"name": name.strip(), "scope": str(scope), "owner": owner.name, "days": days}
        await self._said(actor, "key.added", shown, detail)
        return Said(accepted=True, message=f"The key {name.strip()} works now.", secret=whole)

    async def revoke_key(self, key: str, actor: Actor, owner: str = "") -> Said:
        """For good. With `owner` (an id) only a key of theirs."""
        row = await self._logins.key(key)
        if (
            row is None
            or (owner and row.person != owner)
            or not await self._logins.revoke_key(key, row.person, self._clock.now())
        ):
            return Said(accepted=False, message="There is no such key, or it was revoked already.")
        await self._said(actor, "key.revoked", key, {"name": row.name})
        return Said(accepted=True, message=f"The key {row.name} is revoked.")

    # ------------------------------------------------------------ inside

    async def _keys_left(self, person: str) -> str:
        """Programs have no password, so a new one does not end what somebody made with the old one."""
        now = self._clock.now()
        keys = await self._logins.keys(person)
        usable = sum(k.revoked_at is None and (k.expires_at is None or k.expires_at > now) for k in keys)
        return f" API keys that go on working: {usable}. Revoke those that nobody knows." if usable else ""

    async def _issue(self, kind: CodeKind, person: str, lasts: timedelta) -> str:
        code, now = new_code(self._random), self._clock.now()
        await self._store.issue(sealed(code), kind, person, now, now + lasts)
        return code

    def _new_id(self) -> str:
        return "usr_" + derived_uuid("person", self._random(16).hex())[:18]

    async def _said(self, actor: Actor, action: str, target: str, detail: dict[str, object] | None = None) -> None:
        await self._audit.audit(
            uuid.uuid4().hex, self._clock.now(), actor.kind, actor.name, action, target, detail or {}
        )


def _key_problem(owner: Person | None, name: str, scope: Scope, days: int) -> str:
    if owner is None:
        return "A key belongs to a person, and there is none of this name."
    if owner.disabled_at is not None:
        return f"{owner.name} is disabled, so a key would not work."
    if not name or len(name) > 60:
        return "Give the key a name of up to 60 characters, so that you know later what uses it."
    if scope not in policy.scopes_within(owner.role):
        return f"{owner.name} is {owner.role}; a key with the scope {scope} could do no more than that."
    return "" if 0 <= days <= LONGEST_DAYS else f"Say 0 (no end) to {LONGEST_DAYS} days."
