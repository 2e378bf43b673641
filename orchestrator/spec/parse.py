"""A sweep spec as text: reads it and collects every fault, writes it with every default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cluster.capacity.resources import Resources
from orchestrator.spec.baselines import read_baselines
from orchestrator.spec.objectives import objectives_text, read_constraints, read_objectives
from orchestrator.spec.rules import (
    baseline_faults,
    data_faults,
    energy_faults,
    resource_faults,
    storage_faults,
    target_faults,
    teacher_faults,
    tracking_faults,
)
from orchestrator.spec.sections import read_section
from orchestrator.spec.sweep_spec import (
    Artifacts,
    SearchConfig,
    Storage,
    SweepBudget,
    SweepSpec,
    Tracking,
)
from orchestrator.spec.text import (
    SpecError,
    absolute_paths,
    lay_over,
    read_overrides,
    read_yaml,
    secret_faults,
)
from search_spaces.domains import Categorical, Float, Int, LogFloat, LogInt
from search_spaces.faults import Fault, unknown_name
from search_spaces.joint import TeacherIdentity
from search_spaces.parse import parse_space
from search_spaces.presets import PRESET_TRAINING
from search_spaces.space import SearchSpace
from trainables.config import DataConfig, TargetConfig, TeacherConfig, TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from search_spaces.domains import Domain


def demo_settings() -> dict[str, object]:
    """Return the demo's settings: some minutes on two cores, without downloads.

    It generates street scenes, trains a small teacher, then smaller students. Only the knee point
    is exported, which takes about half a minute.
    """
    return {
        "name": "demo",
        "data": {
            "format": "synthetic",
            "synthetic_train_images": 128,
            "synthetic_val_images": 48,
        },
        "teacher": {
            "arch": "deeplabv3plus",
            "backbone": "resnet18",
            "output_stride": 16,
            "resolution": "96x128",
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 2e-3,
        },
        "space": "demo",
        "budget": {"trials": 14, "epochs": 3},
        "search": {"grace_period": 2, "reduction_factor": 1.25},
        "target": {"warmup": 2, "repeats": 9},
        "artifacts": {"trials": "knee"},
    }


SECTIONS: dict[str, type[Any]] = {
    "data": DataConfig,
    "teacher": TeacherConfig,
    "budget": SweepBudget,
    "search": SearchConfig,
    "training": TrainingConfig,
    "target": TargetConfig,
    "resources": Resources,
    "artifacts": Artifacts,
    "tracking": Tracking,
    "storage": Storage,
}
DEFAULT_SPACE = "mobile"
"""Preset of a spec without a space."""
KEYS = ("name", "space", "objectives", "constraints", "baselines", *SECTIONS)


def load_spec(
    path: str | Path | None = None,
    *,
    preset: str | None = None,
    overrides: Iterable[str] = (),
) -> SweepSpec:
    """Return the spec of a file, or the demo without one.

    Relative paths in the file are relative to its folder; in ``overrides``, to the working folder.

    Args:
        path: YAML file; None for the demo.
        preset: Name of a preset; replaces the file's space.
        overrides: ``dotted.path=VALUE`` settings that replace the file's; values are YAML.

    Raises:
        SpecError: The file cannot be read or is invalid; it has every fault.
    """
    if path is None:
        settings: object = demo_settings()
        source = "the demo with these settings"
    else:
        source = str(path)
        settings = absolute_paths(_read_file(Path(path)), Path(path).absolute().parent)
    if settings is not None and not isinstance(settings, dict):
        return parse_spec(settings, source)
    if preset is not None:
        settings = lay_over(settings, ("space",), preset)
    for place, value in read_overrides(overrides):
        settings = lay_over(settings, place, value)
    return parse_spec(absolute_paths(settings, Path.cwd()), source)


def parse_spec(settings: object, source: str = "the spec") -> SweepSpec:
    """Return the spec with these settings, plain values as read from YAML.

    Raises:
        SpecError: The settings are invalid; it has every fault with its path.
    """
    if settings is None:
        settings = {}
    if not isinstance(settings, dict):
        raise SpecError(
            [Fault("spec", f"must be a mapping with {', '.join(KEYS)}, got {settings!r}")], source
        )
    settings = _with_preset_training(settings)
    parts, faults = _read_parts(settings)
    valid_space = parts.get("space") or _valid_dimensions(settings)
    faults += [
        Fault(str(key), unknown_name(key, KEYS, kind="key")) for key in settings if key not in KEYS
    ]
    faults += _rule_faults(parts, valid_space)
    faults += secret_faults(settings)
    if faults:
        raise SpecError(faults, source)
    return SweepSpec(**parts)


def _read_file(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SpecError([Fault("spec", f"cannot be read: {reason}")], str(path)) from error
    return read_yaml(text, str(path))


def _read_parts(settings: dict[Any, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Return the valid parts, and the faults of the others."""
    results: dict[str, Any] = {
        name: read_section(kind, settings[name], name)
        for name, kind in SECTIONS.items()
        if settings.get(name) is not None
    }
    if settings.get("name") is not None:
        results["name"] = _read_name(settings["name"])
    results["objectives"] = read_objectives(settings.get("objectives"))
    results["constraints"] = read_constraints(settings.get("constraints"))
    source = settings.get("space") or DEFAULT_SPACE
    space, space_faults = parse_space(source, teacher=_identity(results.get("teacher")))
    results["space"] = space_faults or space
    if settings.get("baselines") is not None:
        dimensions = space or _valid_dimensions(settings) or SearchSpace(())
        results["baselines"] = read_baselines(settings["baselines"], dimensions)
    results["space_source"] = source if isinstance(source, str | dict) else []
    faults = [fault for part in results.values() if isinstance(part, list) for fault in part]
    return {name: part for name, part in results.items() if not isinstance(part, list)}, faults


def _with_preset_training(settings: dict[Any, Any]) -> dict[Any, Any]:
    """Return the settings with the training defaults of the space's preset."""
    space, training = settings.get("space"), settings.get("training") or {}
    name = space.get("preset") if isinstance(space, dict) else space
    defaults = PRESET_TRAINING.get(name) if isinstance(name, str) else None
    if defaults is None or not isinstance(training, dict):
        return settings
    return {**settings, "training": {**defaults, **training}}


def _identity(teacher: TeacherConfig | list[Fault] | None) -> TeacherIdentity | None:
    """Return the teacher's network; the default teacher's if the section is invalid."""
    if teacher is None:
        return None
    valid = TeacherConfig() if isinstance(teacher, list) else teacher
    return TeacherIdentity(
        arch=valid.arch, backbone=valid.backbone, output_stride=valid.output_stride
    )


def _read_name(value: object) -> str | list[Fault]:
    text = str(value)
    if isinstance(value, str | int) and text.isprintable() and 0 < len(text) <= 80:
        return text
    return [Fault("name", f"must be a line of 1 to 80 characters, got {value!r}")]


def _valid_dimensions(settings: dict[Any, Any]) -> SearchSpace | None:
    """Return the space of the valid dimensions, for the rules between sections."""
    source = settings.get("space")
    if not isinstance(source, dict):
        return None
    teacher = _identity([]) if settings.get("teacher") is not None else None
    valid = {
        name: value
        for name, value in source.items()
        if parse_space({name: value}, teacher=teacher)[0] is not None
    }
    return parse_space(valid, teacher=teacher)[0]


def _rule_faults(parts: dict[str, Any], space: SearchSpace | None) -> Iterator[Fault]:
    """Yield the faults between valid sections."""
    if "data" in parts:
        yield from data_faults(parts["data"])
    if parts.get("teacher") is not None:
        yield from teacher_faults(parts["teacher"])
    if space is not None:
        yield from resource_faults(parts.get("resources", Resources()), space)
        yield from target_faults(parts.get("target", TargetConfig()), space)
    yield from energy_faults(
        parts.get("resources", Resources()),
        parts.get("objectives", ()),
        parts.get("constraints", ()),
    )
    if parts.get("baselines"):
        yield from baseline_faults(
            parts["baselines"],
            parts.get("budget", SweepBudget()),
            parts.get("resources", Resources()),
            parts.get("target", TargetConfig()),
        )
    if "storage" in parts:
        yield from storage_faults(parts["storage"])
    if "tracking" in parts:
        yield from tracking_faults(parts["tracking"])


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
