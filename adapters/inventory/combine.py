"""Puts the drafts of all repositories together: one service per id and per target, one meaning per spelling.

A repository is not trusted to speak for another. Where two disagree about the same thing the first (by repository
name) is kept for watching, but nothing may act on it until the owner has decided.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from adapters.inventory.draft import Draft
from adapters.inventory.references import resolve_references
from domain.ids import ServiceId, canonical_name, service_id
from domain.inventory import InventoryProblem, Service, ServiceKind


def combine(drafts: Sequence[Draft]) -> tuple[tuple[Service, ...], tuple[InventoryProblem, ...]]:
    """Services in declaration order, and what had to be left out."""
    problems: list[InventoryProblem] = []
    kept = _one_per_target(_one_per_id(drafts, problems), problems)
    kept = _unambiguous(kept, problems)
    references = resolve_references(kept, problems)
    services = tuple(_service(draft, *references[id_of(draft)]) for draft in kept)
    return services, tuple(problems)


def id_of(draft: Draft) -> ServiceId:
    """The canonical id that a draft will have."""
    return service_id(draft.node, draft.name)


def _one_per_id(drafts: Sequence[Draft], problems: list[InventoryProblem]) -> list[Draft]:
    kept: dict[ServiceId, Draft] = {}
    for draft in drafts:
        first = kept.get(id_of(draft))
        if first is None:
            kept[id_of(draft)] = draft
            continue
        kept[id_of(draft)] = _after_conflict(first, draft)
        problems.append(
            _conflict(first, draft, f"{id_of(draft)} is declared here and in {first.repository}/{first.file}")
        )
    return list(kept.values())


def _one_per_target(drafts: list[Draft], problems: list[InventoryProblem]) -> list[Draft]:
    """Two services with one target would double its limits and dodge its approvals."""
    owners: dict[tuple[str, ServiceKind, str], int] = {}
    kept: list[Draft] = []
    for draft in drafts:
        key = (canonical_name(draft.node), draft.kind, draft.target)
        if draft.kind is ServiceKind.EXTERNAL or key not in owners:
            owners.setdefault(key, len(kept))
            kept.append(draft)
            continue
        first = kept[owners[key]]
        kept[owners[key]] = _after_conflict(first, draft)
        message = f"{id_of(draft)} has the target {draft.target} of {id_of(first)} ({first.repository}/{first.file})"
        problems.append(_conflict(first, draft, message))
    return kept


def _after_conflict(first: Draft, second: Draft) -> Draft:
    return first if first.repository == second.repository else replace(first, actions=())


def _conflict(first: Draft, second: Draft, message: str) -> InventoryProblem:
    if first.repository == second.repository:
        fix = "keep one of the two; until then the first one counts"
    else:
        fix = "keep one of the two; until then it is watched as the first says, and nothing acts on it"
    return InventoryProblem(repository=second.repository, file=second.file, field=second.name, message=message, fix=fix)


def _unambiguous(drafts: list[Draft], problems: list[InventoryProblem]) -> list[Draft]:
    """Drop every alias that is also another service's id, name, target or alias."""
    meanings: Counter[str] = Counter()
    for draft in drafts:
        meanings.update(_own_words(draft) | _aliases(draft))
    cleaned: list[Draft] = []
    for draft in drafts:
        own = _own_words(draft)
        good: dict[str, str] = {}
        for alias in draft.aliases:
            word = canonical_name(alias)
            if not word or "/" in word:
                message, fix = f"the alias '{alias}' is no usable name", "use letters, digits, '.', '_' and '-'"
            elif meanings[word] > 1:
                message = f"the alias '{alias}' of {id_of(draft)} also means another service"
                fix = "choose another alias; until then it means nothing"
            else:
                if word not in own:
                    good.setdefault(word, alias.strip())
                continue
            problems.append(
                InventoryProblem(
                    repository=draft.repository, file=draft.file, field="aliases", message=message, fix=fix
                )
            )
        cleaned.append(replace(draft, aliases=tuple(good.values())))
    return cleaned


def _own_words(draft: Draft) -> set[str]:
    return {canonical_name(draft.name), canonical_name(draft.target)}


def _aliases(draft: Draft) -> set[str]:
    return {canonical_name(a) for a in draft.aliases} - _own_words(draft)


def _service(draft: Draft, depends_on: tuple[ServiceId, ...], network: ServiceId | None) -> Service:
    return Service(
        id=id_of(draft),
        node=canonical_name(draft.node),
        name=canonical_name(draft.name),
        kind=draft.kind,
        target=draft.target,
        aliases=draft.aliases,
        probes=draft.probes,
        depends_on=depends_on,
        shares_network_of=network,
        volumes=draft.volumes,
        tags=draft.tags,
        actions=draft.actions,
        approval=draft.approval,
        limits=draft.limits,
        compose=draft.compose,
        critical=draft.critical,
        repository=draft.repository,
        notes=draft.notes,
    )
