"""YAML from strangers: plain values only, with bounds on what it may grow to."""

from collections.abc import Iterable
from typing import Any, cast

import yaml

MAX_NODES = 50_000
MAX_DEPTH = 40

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STARTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class BadYamlError(ValueError):
    """One line that says what is wrong, with line and column where known."""


def load(text: str) -> Any:
    """The value of one YAML document. Raises BadYamlError."""
    try:
        _measure(text)
        loader = _Base(text)
        try:
            node = loader.get_single_node()
            _no_doubles(node)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise BadYamlError(f"{e.problem or e.context or 'not YAML'}{where}") from e
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as e:
        if isinstance(e, BadYamlError):
            raise
        raise BadYamlError(f"not usable YAML: {str(e).splitlines()[0] if str(e) else type(e).__name__}") from e


def _measure(text: str) -> None:
    """Count nodes as if every alias were written out, before anything is built."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    for event in cast("Iterable[object]", yaml.parse(text, Loader=_Base)):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise BadYamlError(
                    f"'*{event.anchor}' stands for nothing, or for itself (line {event.start_mark.line + 1})"
                )
            total += sizes[event.anchor]
        elif isinstance(event, _STARTS):
            open_nodes.append((event.anchor, total))
            total += 1
        elif isinstance(event, _ENDS):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        if total > MAX_NODES:
            raise BadYamlError(f"it grows to more than {MAX_NODES} values (aliases written out)")
        if len(open_nodes) > MAX_DEPTH:
            raise BadYamlError(f"it is nested deeper than {MAX_DEPTH} levels")


def _no_doubles(root: Any) -> None:
    """A key given twice is an error: otherwise the last one silently wins, be it a limit or an approval."""
    todo, seen = [root], set[int]()
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo += node.value
        elif isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                todo.append(value)
                if not isinstance(key, yaml.ScalarNode):
                    raise BadYamlError(f"a key must be a plain word (line {key.start_mark.line + 1})")
                if key.value in keys:
                    raise BadYamlError(f"'{key.value}' is given twice (line {key.start_mark.line + 1})")
                keys.add(key.value)
