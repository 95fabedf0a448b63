"""Turns the spellings in depends_on and shares_network_of into ids, and keeps the graph free of circles."""

from collections.abc import Sequence

from adapters.inventory.draft import Draft
from domain.ids import ServiceId, canonical_name, service_id
from domain.inventory import InventoryProblem

References = dict[ServiceId, tuple[tuple[ServiceId, ...], ServiceId | None]]


def resolve_references(drafts: Sequence[Draft], problems: list[InventoryProblem]) -> References:
    """Per service: what it depends on, and whose network it shares."""
    book = _Book(drafts)
    edges: dict[ServiceId, list[ServiceId]] = {}
    found: References = {}
    for draft in drafts:
        own = service_id(draft.node, draft.name)
        needs: list[ServiceId] = []
        for field, spelling in _spellings(draft):
            target = book.find(draft, spelling)
            message = ""
            if target is None:
                message = f"'{spelling}' is no declared service, or more than one"
            elif target == own or _leads_to(edges, target, own):
                message = f"{own} and {target} would depend on each other"
            if target is None or message:
                fix = (
                    "use the name of a declared service, or <node>/<name>"
                    if target is None
                    else "remove one of the two"
                )
                problems.append(
                    InventoryProblem(
                        repository=draft.repository, file=draft.file, field=field, message=message, fix=fix
                    )
                )
                continue
            edges.setdefault(own, []).append(target)
            needs.append(target)
        network = book.find(draft, draft.shares_network_of) if draft.shares_network_of else None
        network = network if network in needs else None
        plain = tuple(dict.fromkeys(n for n in needs if n != network or _named(book, draft, n)))
        found[own] = (plain, network)
    return found


def _named(book: "_Book", draft: Draft, target: ServiceId) -> bool:
    return any(book.find(draft, s) == target for s in draft.depends_on)


def _spellings(draft: Draft) -> list[tuple[str, str]]:
    network = [("shares_network_of", draft.shares_network_of)] if draft.shares_network_of else []
    return [*(("depends_on", s) for s in draft.depends_on), *network]


def _leads_to(edges: dict[ServiceId, list[ServiceId]], start: ServiceId, end: ServiceId) -> bool:
    todo, seen = [start], {start}
    while todo:
        for following in edges.get(todo.pop(), []):
            if following == end:
                return True
            if following not in seen:
                seen.add(following)
                todo.append(following)
    return False


class _Book:
    """Finds a service by what a person wrote: nearest meaning first."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self._ids: set[ServiceId] = set()
        self._words: dict[tuple[str, str, str], set[ServiceId]] = {}
        for draft in drafts:
            own = service_id(draft.node, draft.name)
            self._ids.add(own)
            for word in {draft.name, draft.target, *draft.aliases}:
                for scope in ((draft.repository, draft.node), ("", draft.node), ("", "")):
                    self._words.setdefault((*scope, canonical_name(word)), set()).add(own)

    def find(self, draft: Draft, spelling: str) -> ServiceId | None:
        word = canonical_name(spelling)
        if ServiceId(word) in self._ids:
            return ServiceId(word)
        for scope in ((draft.repository, draft.node), ("", draft.node), ("", "")):
            hits = self._words.get((*scope, word), set())
            if hits:
                return next(iter(hits)) if len(hits) == 1 else None
        return None
