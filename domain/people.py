"""Who may use Tiercel: people, their roles, their keys, and what a route asks for."""

from datetime import datetime
from enum import StrEnum

from domain.base import Value


class Role(StrEnum):
    """What a person may do; each role may do what the one before may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a key may do at most; its owner's role bounds it as well."""

    READ = "read"
    EXECUTE = "execute"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a route asks for. Every route names one (web/routes.py)."""

    OPEN = "open"  # nobody has to be logged in
    OWN = "own"  # a person who is logged in, for their own account
    LOOK = "look"  # reads
    ACT = "act"  # approves, runs, notes, closes
    MANAGE = "manage"  # settings, ledger resets; acts need a password entered lately
    PEOPLE = "people"  # accounts and everybody's keys: as above, and never by a key


class CodeKind(StrEnum):
    """Why somebody gets a one-time code."""

    SETUP = "setup"
    INVITATION = "invitation"
    RESET = "reset"


class AttemptKind(StrEnum):
    """What a row of failed attempts counts."""

    ACCOUNT = "account"  # from browsers that this person never logged in with
    ADDRESS = "address"  # from one address, whatever the account
    BROWSER = "browser"  # from one known browser of one person
    CODE = "code"  # one-time codes, from one address
    KEY = "key"  # keys, from one address
    PIN = "pin"  # one person's PIN


class KeyLimits(Value):
    """Bounds of a key besides its scopes. Empty: none."""

    addresses: tuple[str, ...] = ()  # networks from which it may be used, for example 192.168.1.0/24


class Who(Value):
    """Who asks: a person with a session, a key, or (login switched off) the owner of this machine."""

    kind: str  # user | key | web
    name: str
    role: Role
    scopes: tuple[Scope, ...] = ()  # of a key
    person: str = ""
    session: str = ""  # the session's stored id, or the key's id
    password_at: datetime | None = None  # when the password was last entered


# The dashboard's line of its log with the link to the first account; `up` says it again at its end.
OFFER = "setup: nobody has an account yet; open "
OWNER = Who(kind="web", name="owner", role=Role.ADMIN)


class Person(Value):
    """One account. The hashes never leave the record but to be verified."""

    id: str
    name: str
    role: Role
    password_hash: str | None = None
    pin_hash: str | None = None
    created_at: datetime
    disabled_at: datetime | None = None


class Attempt(Value):
    """What one login, code or PIN counts against. `subject` is a name, an address or a hash."""

    kind: AttemptKind
    subject: str
