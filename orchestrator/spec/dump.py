"""A spec as the text that reads back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import yaml

from orchestrator.spec.aims import constraint_text, objectives_text

if TYPE_CHECKING:
    from orchestrator.spec.sweep_spec import SweepSpec

_SECTIONS = ("budget", "search", "training", "target", "resources", "tracking", "storage")


def dump_spec(spec: SweepSpec) -> str:
    """Return YAML that ``load_spec`` reads back to an equal spec, every default written out."""
    return yaml.safe_dump(spec_settings(spec), sort_keys=False, default_flow_style=False)


def spec_settings(spec: SweepSpec) -> dict[str, object]:
    """Return the plain values that ``parse_spec`` reads back to an equal spec."""
    return {
        "name": spec.name,
        "data": _plain(asdict(spec.data)),
        "teacher": None if spec.teacher is None else _plain(asdict(spec.teacher)),
        "space": _plain(spec.space_source),
        "objectives": dict(objectives_text(spec.objectives)),
        "constraints": [constraint_text(constraint) for constraint in spec.constraints],
        **{name: _plain(asdict(getattr(spec, name))) for name in _SECTIONS},
    }


def _plain(value: object) -> object:
    """Return the value with tuples as lists, which is all that YAML knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
