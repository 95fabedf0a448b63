"""Who may do what, what a password must be, and how long a guesser waits. Never a lock-out: every wait ends."""

import ipaddress
from datetime import datetime, timedelta
from itertools import pairwise

from domain.base import Value
from domain.people import AttemptKind, Permission, Role, Scope, Who

# ---------------------------------------------------------------- permissions

ROLE_MAY: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.OPEN, Permission.OWN, Permission.LOOK}),
    Role.OPERATOR: frozenset({Permission.OPEN, Permission.OWN, Permission.LOOK, Permission.ACT}),
    Role.ADMIN: frozenset(Permission),
}
SCOPE_MAY: dict[Scope, frozenset[Permission]] = {
    Scope.READ: frozenset({Permission.OPEN, Permission.LOOK}),
    Scope.EXECUTE: frozenset({Permission.OPEN, Permission.LOOK, Permission.ACT}),
    Scope.ADMIN: frozenset({Permission.OPEN, Permission.LOOK, Permission.ACT, Permission.MANAGE}),
}
PASSWORD_FRESH = timedelta(minutes=10)
HARMFUL = frozenset(
    {Permission.MANAGE, Permission.PEOPLE}
)  # acts that ask for the password when it was entered long ago


def refusal(who: Who, permission: Permission) -> str:
    """Why `who` may not do this, as a sentence; "" where they may."""
    if who.kind == "key":
        if permission in {Permission.OWN, Permission.PEOPLE}:
            return "A key cannot do this. A person must log in and do it."
        if not any(permission in SCOPE_MAY[scope] for scope in who.scopes):
            return f"This key may only {_listed(who.scopes)}. This needs a key with the scope {_scope_for(permission)}."
    if who.kind == "web" and permission == Permission.OWN:
        return "Nobody logs in here, so there is no account. Set TIERCEL_WEB_LOGIN=true to have accounts."
    if permission not in ROLE_MAY[who.role]:
        return f"{who.name} is {_article(who.role)}. This needs {_article(_role_for(permission))}."
    return ""


def password_is_old(who: Who, now: datetime) -> bool:
    """Whether the password must be entered again before a harmful act. A clock that went back asks too."""
    if who.kind != "user":
        return False
    return who.password_at is None or not timedelta(0) <= now - who.password_at <= PASSWORD_FRESH


def scopes_within(role: Role) -> tuple[Scope, ...]:
    """The scopes that a key of such a person can make use of."""
    return tuple(s for s in Scope if SCOPE_MAY[s] <= ROLE_MAY[role])


def _listed(scopes: tuple[Scope, ...]) -> str:
    return " and ".join(scopes) or "do nothing"


def _scope_for(permission: Permission) -> Scope:
    return next(s for s in Scope if permission in SCOPE_MAY[s])


def _role_for(permission: Permission) -> Role:
    return next(r for r in Role if permission in ROLE_MAY[r])


def _article(role: Role) -> str:
    return f"{'a' if role == Role.VIEWER else 'an'} {role}"


# ---------------------------------------------------------------- sessions


ABSOLUTE = timedelta(days=30)  # a session ends after this, whatever happens
IDLE = timedelta(days=7)  # and after this without a page


def session_is_over(expires_at: datetime, last_seen_at: datetime, now: datetime) -> bool:
    """Whether a session has reached its absolute or its idle end."""
    return now >= expires_at or now - last_seen_at >= IDLE


# ---------------------------------------------------------------- waiting


class Patience(Value):
    """`free` failures cost nothing; then the wait doubles from `first_s` up to `longest_s`."""

    free: int
    first_s: float
    longest_s: float


PATIENCE: dict[AttemptKind, Patience] = {
    AttemptKind.ACCOUNT: Patience(free=4, first_s=1, longest_s=60),
    AttemptKind.ADDRESS: Patience(free=20, first_s=1, longest_s=60),
    AttemptKind.BROWSER: Patience(free=6, first_s=1, longest_s=30),
    AttemptKind.CODE: Patience(free=6, first_s=1, longest_s=60),
    AttemptKind.KEY: Patience(free=20, first_s=1, longest_s=60),
    AttemptKind.PIN: Patience(free=3, first_s=5, longest_s=3600),
}
FORGOTTEN = timedelta(days=1)  # after this long without a failure the count begins anew


def delay_s(kind: AttemptKind, failures: int) -> float:
    """How long after the last failure the next attempt is looked at."""
    patience = PATIENCE[kind]
    if failures < patience.free:
        return 0.0
    return min(patience.longest_s, patience.first_s * 2.0 ** min(failures - patience.free, 30))


def wait_s(kind: AttemptKind, failures: int, last_at: datetime, now: datetime) -> float:
    """How long still to wait; never longer than the delay itself, even where the clock went back."""
    delay = delay_s(kind, failures)
    return max(0.0, min(delay, delay - (now - last_at).total_seconds()))


def counted(failures: int, last_at: datetime, now: datetime) -> int:
    """The failures that still count."""
    return 0 if now - last_at >= FORGOTTEN else failures


def address_group(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 subscriber has for himself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def address_allowed(address: str, networks: tuple[str, ...]) -> bool:
    """Whether `address` lies in one of `networks`; no networks allow every address."""
    if not networks:
        return True
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in ipaddress.ip_network(n, strict=False) for n in networks)


def client_address(peer: str, forwarded: str, trusted: tuple[str, ...]) -> str:
    """Who is at the other end, where trusted proxies may stand between: each names (last) whom it got the request from.

    `forwarded` is X-Forwarded-For. What an untrusted address wrote there is never believed, nor what is no address.
    """
    here = peer
    for named in reversed(forwarded.split(",")[-20:]):
        if not trusted or not address_allowed(here, trusted):
            return here
        before = _plain_address(named)
        if not before:
            return here
        here = before
    return here


def _plain_address(text: str) -> str:
    """An address without what some proxies write around it: brackets, a port. "" for what is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def networks_of(text: str) -> tuple[str, ...] | None:
    """Networks as a person writes them, comma or blank separated; None where one cannot be read."""
    try:
        return tuple(str(ipaddress.ip_network(part, strict=False)) for part in text.replace(",", " ").split())
    except ValueError:
        return None


# ---------------------------------------------------------------- passwords

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 256
_WEAK = frozenset(
    {"password", "passwort", "tiercel", "changeme", "qwertyuiop", "qwertzuiop", "letmein", "administrator"}
)


def password_problem(password: str, name: str) -> str:
    """Why this password is not taken; "" where it is."""
    if len(password) < SHORTEST_PASSWORD:
        return f"The password needs at least {SHORTEST_PASSWORD} characters; four words are easy to remember."
    if len(password) > LONGEST_PASSWORD:
        return f"The password may have at most {LONGEST_PASSWORD} characters."
    plain = password.casefold().strip("0123456789!?.-_# ")
    if plain in _WEAK or plain == name.casefold() or len(set(password)) < 5 or _is_a_row(password):
        return (
            "That is one of the first passwords that people try. Choose another one; four words are easy to remember."
        )
    return ""


def pin_problem(pin: str) -> str:
    """Why this PIN is not taken; "" where it is."""
    if not (pin.isascii() and pin.isdecimal() and 6 <= len(pin) <= 12):
        return "A PIN has 6 to 12 digits."
    if len(set(pin)) < 3 or _is_a_row(pin):
        return "That is one of the first PINs that people try. Choose another one."
    return ""


def _is_a_row(text: str) -> bool:
    steps = {ord(b) - ord(a) for a, b in pairwise(text)}
    return steps <= {1, -9} or steps <= {-1, 9}  # after 9 comes 0
