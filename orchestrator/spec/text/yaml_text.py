"""Reads YAML text and reports line and column of a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import yaml

from orchestrator.spec.errors import SpecError
from search_spaces.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Hashable


class _StrictLoader(yaml.SafeLoader):
    """The safe loader with duplicate keys as faults; PyYAML keeps the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if isinstance(key, str) and key != "<<":
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} is given twice", key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, source: str) -> object:
    """Return the value of ``text``; None for an empty text.

    Args:
        text: YAML, one document.
        source: Name of the text in messages.

    Raises:
        SpecError: The text is invalid YAML; the fault has line and column, from 1.
    """
    try:
        return cast("object", yaml.load(text, Loader=_StrictLoader))  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else source
        message = error.problem or error.context or "not readable"
        raise SpecError([Fault(place, f"invalid YAML: {message}")], source) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        first = str(error).strip().splitlines() or ["nested too deeply"]
        raise SpecError([Fault(source, f"invalid YAML: {first[0]}")], source) from error
