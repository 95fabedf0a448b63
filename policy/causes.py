"""One incident for one cause: failing services are grouped under what they depend on."""

from collections.abc import Sequence

from domain.base import Value
from domain.ids import ServiceId
from domain.inventory import Inventory


class Cause(Value):
    """The service at the root, and the failing services that it explains (without itself)."""

    root: ServiceId
    affected: tuple[ServiceId, ...] = ()


def group(inventory: Inventory, failing: Sequence[ServiceId]) -> tuple[Cause, ...]:
    """Every failing service appears exactly once, as a root or as affected. A cycle has its first member as root."""
    down = list(dict.fromkeys(failing))
    roots: dict[ServiceId, list[ServiceId]] = {}
    for service in down:
        root = _root(inventory, service, frozenset(down))
        roots.setdefault(root, [])
        if root != service:
            roots[root].append(service)
    return tuple(Cause(root=r, affected=tuple(a)) for r, a in roots.items())


def _root(inventory: Inventory, service: ServiceId, down: frozenset[ServiceId]) -> ServiceId:
    seen: list[ServiceId] = []
    at = service
    while at not in seen:
        seen.append(at)
        found = inventory.by_id(at)
        if found is None:
            return at
        needs = [*([found.shares_network_of] if found.shares_network_of else []), *found.depends_on]
        deeper = next((n for n in needs if n in down and n != at), None)
        if deeper is None:
            return at
        at = deeper
    return min(seen[seen.index(at) :])
