"""compose_config: what a compose file says about one service, variables filled in, secrets masked."""

import json
import os
from collections.abc import Mapping
from typing import Any, cast

from adapters.inventory.bounded_yaml import BadYamlError, load
from adapters.inventory.files import RepositoryFiles, UnusableFileError
from adapters.inventory.interpolation import UnsetVariableError, dotenv, interpolate
from domain.base import Declared
from domain.inventory import ComposeRef, Inventory, Service
from gateway.looking.sight import NotHereError, Redact, Sight, service_of
from gateway.looking.words import Spelling
from policy.masking import MASK, masked, masked_assignment, masked_command, masked_path, secret_name


class OneService(Declared):
    """`service` is a service id of the inventory."""

    service: Spelling


async def config(asked: OneService, sight: Sight, inventory: Inventory) -> str:
    """As JSON. Values of the environment and of secrets are never shown, whatever their names."""
    service = service_of(inventory, asked.service)
    ref = service.compose
    if ref is None:
        raise NotHereError(f"{service.id} does not come from a compose file.")
    files, relative = _place(sight, service, ref)
    try:
        text = files.read(relative)
        settings = files.read(os.path.join(os.path.dirname(relative), ".env")) or ""  # noqa: PTH118, PTH120 - no real path
    except UnusableFileError as e:
        raise NotHereError(f"The compose file of {service.id} cannot be read: {e}") from e
    if text is None:
        raise NotHereError(f"The compose file of {service.id} is not there, as the gateway sees it.")
    try:
        found: Any = load(text)
        body = found["services"][ref.service]
    except (BadYamlError, KeyError, TypeError) as e:
        raise NotHereError(f"The compose file of {service.id} does not define it: {type(e).__name__}") from e
    values = {name: MASK if secret_name(name) else value for name, value in dotenv(settings).items()}
    shown = shown_definition(_filled(body, values), sight.redact)
    return f"{service.id}: service {ref.service} of {relative}\n{json.dumps(shown, indent=1, default=str)}"


def _place(sight: Sight, service: Service, ref: ComposeRef) -> tuple[RepositoryFiles, str]:
    """The file within its repository, which it must not leave: the inventory's word is not taken for it."""
    name = service.repository
    folder = sight.repos_dir / name
    if not name or "/" in name or name.startswith(".") or not folder.is_dir():
        raise NotHereError(f"The repository of {service.id} is not mounted where the gateway runs.")
    files = RepositoryFiles(folder)
    for base in (files.root, folder):
        relative = os.path.relpath(ref.file, base)
        if not relative.startswith(".."):
            return files, relative
    raise NotHereError(f"The compose file of {service.id} does not lie in its repository.")


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        try:
            return interpolate(value, values)
        except UnsetVariableError:
            return value
    if isinstance(value, list):
        return [_filled(v, values) for v in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {str(k): _filled(v, values) for k, v in cast("dict[Any, Any]", value).items()}
    return value


def shown_definition(body: Any, redact: Redact) -> Any:
    """A service of a compose file as a session may see it."""
    if not isinstance(body, dict):
        return None

    fields = cast("dict[str, Any]", body)
    shown = cast("dict[str, Any]", masked(fields, redact))
    if "environment" in fields:
        shown["environment"] = _variables(fields["environment"])
    for name in ("command", "entrypoint"):
        if name in fields:
            shown[name] = _command(fields[name], redact)
    check = fields.get("healthcheck")
    if isinstance(check, dict) and "test" in check:
        shown["healthcheck"]["test"] = _command(cast("dict[str, Any]", check)["test"], redact)
    if isinstance(fields.get("volumes"), list):
        shown["volumes"] = [_volume(v, redact) for v in cast("list[Any]", fields["volumes"])]
    build = fields.get("build")
    if isinstance(build, dict) and "args" in build:
        shown["build"]["args"] = _variables(cast("dict[str, Any]", build)["args"])
    return shown


def _variables(raw: Any) -> list[str]:
    if isinstance(raw, dict):
        return [masked_assignment(str(name)) for name in cast("dict[Any, Any]", raw)]
    return [masked_assignment(str(line)) for line in cast("list[Any]", raw)] if isinstance(raw, list) else []


def _command(raw: Any, redact: Redact) -> Any:
    words = [str(w) for w in cast("list[Any]", raw)] if isinstance(raw, list) else str(raw).split()
    shown = masked_command(words, redact)
    return shown if isinstance(raw, list) else " ".join(shown)


def _volume(raw: Any, redact: Redact) -> Any:
    if isinstance(raw, str):
        return ":".join(masked_path(part) for part in redact(raw).split(":"))
    return masked(raw, redact)
