"""One repository: manifest and compose files to drafts, prose to notes."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from adapters.inventory.compose import FILES, read_compose
from adapters.inventory.container_yaml import CONTAINER_FILE, ContainerFile, read_container
from adapters.inventory.draft import ALLOWED, POSSIBLE, Draft, Found
from adapters.inventory.files import RepositoryFiles, UnusableFileError
from adapters.inventory.interpolation import dotenv
from adapters.inventory.manifest import MANIFEST, Entry, Manifest, parse
from domain.action import ActionKind
from domain.health import ContainerProbe, ProbeSpec, UnitProbe
from domain.ids import canonical_name, service_id
from domain.inventory import ContainerRules, InventoryProblem, Limits, RepositoryNotes, ServiceKind


def read_repository(folder: Path, image: str = "") -> tuple[Found, RepositoryNotes]:
    """Never raises for what a repository holds. `image`: the owner's session image."""
    files, found = RepositoryFiles(folder), Found()
    text = _read(files, MANIFEST, found)
    manifest = parse(files.name, text) if text is not None else Manifest()
    found.problems += manifest.problems
    compose = _compose(files, found)
    found.drafts += _merged(files.name, manifest, compose, found)
    if text is None and not compose and not found.problems:
        found.problems.append(
            InventoryProblem(
                repository=files.name,
                file=MANIFEST,
                message="this repository declares no service",
                fix="add a CLAUDE-OPS.md with front matter, or a compose file",
            )
        )
    container = _container(files, image, found)
    notes = RepositoryNotes(
        repository=files.name,
        path=str(files.root),
        manifest=manifest.prose,
        checks=files.markdown(".claude-ops/checks"),
        playbooks=files.markdown(".claude-ops/playbooks"),
        container=container.rules,
        domains=container.domains,
    )
    return found, notes


def _container(files: RepositoryFiles, image: str, found: Found) -> ContainerFile:
    before = len(found.problems)
    text = _read(files, CONTAINER_FILE, found)
    if text is None and len(found.problems) > before:  # there is one, and nobody knows what it wants
        return ContainerFile(rules=ContainerRules(unusable=found.problems[-1].line()))
    container = read_container(files.name, text or "", image)
    found.problems += container.problems
    return container


def _read(files: RepositoryFiles, relative: str, found: Found) -> str | None:
    try:
        return files.read(relative)
    except UnusableFileError as e:
        found.problems.append(InventoryProblem(repository=files.name, file=relative, message=str(e), fix=e.fix))
    except OSError as e:
        message = f"it cannot be read ({e.strerror})"
        found.problems.append(
            InventoryProblem(
                repository=files.name, file=relative, message=message, fix="check the mount and its permissions"
            )
        )
    return None


def _compose(files: RepositoryFiles, found: Found) -> list[Draft]:
    drafts: list[Draft] = []
    try:
        folders = ["", *files.folders()]
    except OSError as e:
        message = f"the repository cannot be read ({e.strerror})"
        fix = "give Tiercel's user read permission"
        found.problems.append(InventoryProblem(repository=files.name, file=".", message=message, fix=fix))
        return drafts
    for folder in folders:
        for name in FILES:
            relative = f"{folder}/{name}" if folder else name
            text = _read(files, relative, found)
            if text is None:
                continue
            env = dotenv(_read(files, f"{folder}/.env" if folder else ".env", Found()) or "")
            one = read_compose(files.name, files.root, relative, text, env)
            drafts += one.drafts
            found.problems += one.problems
            break  # compose itself takes the first of these names
    return drafts


def _merged(repository: str, manifest: Manifest, compose: list[Draft], found: Found) -> list[Draft]:
    """A manifest entry adds to the compose service of the same name; others stand for themselves."""
    rejected = {canonical_name(n) for n in manifest.rejected}
    by_id = {service_id(d.node, d.name): n for n, d in reversed(list(enumerate(compose)))}
    # Its owner wanted to say more about it and we could not read that: watch it, but do not act on half a declaration.
    drafts = [replace(d, actions=()) if canonical_name(d.name) in rejected else d for d in compose]
    for entry in manifest.entries:
        node = entry.declared.node or manifest.node
        position = by_id.get(service_id(node, entry.declared.name))
        if position is not None and entry.declared.kind in {None, ServiceKind.CONTAINER}:
            drafts[position] = _added(repository, drafts[position], entry, found)
            continue
        if entry.declared.kind is None:
            found.problems.append(
                InventoryProblem(
                    repository=repository,
                    file=MANIFEST,
                    field=f"services[{entry.index}].kind",
                    message=f"'{entry.declared.name}' is in no compose file here, so its kind is not known",
                    fix="add 'kind: container', 'unit' or 'external'",
                )
            )
            continue
        fresh = Draft(
            repository=repository,
            file=MANIFEST,
            node=node,
            name=entry.declared.name,
            kind=entry.declared.kind,
            target=entry.declared.target or entry.declared.name,
            actions=ALLOWED[entry.declared.kind],
        )
        drafts.append(_added(repository, fresh, entry, found))
    return drafts


def _added(repository: str, draft: Draft, entry: Entry, found: Found) -> Draft:
    declared = entry.declared
    target = declared.target or draft.target
    probes = entry.probes or (() if entry.probes_broken else _default_probes(draft, target))
    return replace(
        draft,
        file=MANIFEST,
        target=target,
        aliases=(*draft.aliases, *declared.aliases),
        probes=probes,
        depends_on=tuple(dict.fromkeys((*draft.depends_on, *declared.depends_on))),
        shares_network_of=declared.shares_network_of or draft.shares_network_of,
        tags=tuple(declared.tags),
        actions=_actions(repository, draft, entry, found),
        approval=tuple(dict.fromkeys(declared.approval)),
        limits=Limits(**declared.limits.model_dump()),
        critical=declared.critical,
        notes=declared.notes,
    )


def _default_probes(draft: Draft, target: str) -> tuple[ProbeSpec, ...]:
    if draft.probes:
        return draft.probes
    if draft.kind is ServiceKind.UNIT:
        return (UnitProbe(unit=target),)
    return (ContainerProbe(container=target),) if draft.kind is ServiceKind.CONTAINER else ()


def _actions(repository: str, draft: Draft, entry: Entry, found: Found) -> tuple[ActionKind, ...]:
    wanted = entry.declared.actions
    if wanted is None:
        return draft.actions
    possible = POSSIBLE[draft.kind]
    wrong = [a for a in wanted if a not in possible]
    if wrong:
        found.problems.append(
            InventoryProblem(
                repository=repository,
                file=MANIFEST,
                field=f"services[{entry.index}].actions",
                message=f"{_list(wrong)} cannot be done with a service of kind {draft.kind}",
                fix=f"use {_list(sorted(possible))}"
                if possible
                else "remove 'actions': external services are only watched",
            )
        )
    return tuple(dict.fromkeys(a for a in wanted if a in possible))


def _list(kinds: Iterable[ActionKind]) -> str:
    return ", ".join(str(k) for k in kinds)
