"""A spec as YAML text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from orchestrator.spec.errors import SpecError
from orchestrator.spec.objectives import objectives_text
from orchestrator.spec.parse import parse_spec
from orchestrator.spec.text.paths import absolute_paths
from search_spaces.domains import Categorical, Float, Int, LogFloat, LogInt
from search_spaces.faults import Fault

if TYPE_CHECKING:
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.domains import Domain
    from search_spaces.space import SearchSpace

_SECTIONS = (
    "budget",
    "search",
    "training",
    "target",
    "resources",
    "artifacts",
    "tracking",
    "storage",
)
_RANGES = {Float: False, Int: False, LogFloat: True, LogInt: True}


def dump_spec(spec: SweepSpec) -> str:
    """Return YAML that ``load_spec`` reads as an equal spec, with every default written out."""
    return yaml.safe_dump(spec_settings(spec), sort_keys=False, default_flow_style=False)


def spec_settings(spec: SweepSpec) -> dict[str, object]:
    """Return plain values that ``parse_spec`` reads as an equal spec."""
    return {
        "name": spec.name,
        "data": _plain(asdict(spec.data)),
        "teacher": None if spec.teacher is None else _plain(asdict(spec.teacher)),
        "space": _plain(spec.space_source or space_settings(spec.space)),
        "objectives": objectives_text(spec.objectives),
        "constraints": [constraint.text for constraint in spec.constraints],
        "baselines": {each.name: dict(each.config) for each in spec.baselines},
        **{name: _plain(asdict(getattr(spec, name))) for name in _SECTIONS},
    }


def settle_spec(spec: SweepSpec) -> SweepSpec:
    """Return the spec as read from its own text: validated, with absolute paths.

    Relative paths are relative to the working folder.

    Raises:
        SpecError: it is invalid, or its space has conditions that ``joint_space`` does not make,
            which a text cannot express.
    """
    settings = absolute_paths(spec_settings(spec), Path.cwd())
    parsed = parse_spec(settings, "the spec made in Python")
    if parsed.space != spec.space:
        raise SpecError([Fault("space", "has custom conditions; make it with joint_space")])
    return parsed


def space_settings(space: SearchSpace) -> dict[str, object]:
    """Return the dimensions of a joint space in the form that ``parse_space`` reads."""
    return {dimension.name: _domain_settings(dimension.domain) for dimension in space}


def _domain_settings(domain: Domain) -> object:
    if isinstance(domain, Categorical):
        return list(domain.choices)
    bounds = {"low": domain.low, "high": domain.high}
    return {**bounds, "log": True} if _RANGES[type(domain)] else bounds


def _plain(value: object) -> object:
    """Return the value with tuples as lists; YAML has no tuples."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
