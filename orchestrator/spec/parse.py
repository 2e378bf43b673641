"""A sweep spec read from text, with every fault named at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.capacity.resources import Resources
from orchestrator.spec.baselines.reading import read_baselines
from orchestrator.spec.budget import SweepBudget
from orchestrator.spec.constraints import read_constraints
from orchestrator.spec.demo import demo_settings
from orchestrator.spec.errors import SpecError
from orchestrator.spec.objectives import read_objectives
from orchestrator.spec.rules import (
    baseline_faults,
    data_faults,
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
    SweepSpec,
    Tracking,
)
from orchestrator.spec.text.overrides import lay_over, read_overrides
from orchestrator.spec.text.paths import absolute_paths
from orchestrator.spec.text.secrets import secret_faults
from orchestrator.spec.text.yaml_text import read_yaml
from search_spaces.faults import Fault, unknown_name
from search_spaces.joint import TeacherIdentity
from search_spaces.parse import parse_space
from search_spaces.presets import PRESET_TRAINING
from search_spaces.space import SearchSpace
from trainables.config import DataConfig, TargetConfig, TeacherConfig, TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
"""Preset that a spec without a space searches."""
KEYS = ("name", "space", "objectives", "constraints", "baselines", *SECTIONS)


def load_spec(
    path: str | Path | None = None,
    *,
    preset: str | None = None,
    overrides: Iterable[str] = (),
) -> SweepSpec:
    """Return the spec of a file, or of the embedded demo where there is none.

    Relative paths in the file are relative to its folder, those of ``overrides`` to the working
    folder.

    Args:
        path: YAML file; None takes the demo.
        preset: Name of a preset that replaces the file's space.
        overrides: ``dotted.path=VALUE`` settings laid over the file's, values read as YAML.

    Raises:
        SpecError: The file cannot be read, or anything in it cannot be run; all faults are named.
    """
    if path is None:
        settings: object = demo_settings()
        source = "the embedded demo with these settings"
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
    """Return the spec that plain values, as read from YAML, describe.

    Raises:
        SpecError: Anything is wrong; every fault is named with its path.
    """
    if settings is None:
        settings = {}
    if not isinstance(settings, dict):
        raise SpecError(
            [Fault("spec", f"must be a mapping with {', '.join(KEYS)}, got {settings!r}")], source
        )
    settings = _with_preset_training(settings)
    parts, found = _read_parts(settings)
    sound_space = parts.get("space") or _sound_part(settings)
    found += [
        Fault(str(key), unknown_name(key, KEYS, kind="key")) for key in settings if key not in KEYS
    ]
    found += _rule_faults(parts, sound_space)
    found += secret_faults(settings)
    if found:
        raise SpecError(found, source)
    return SweepSpec(**parts)


def _read_file(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise SpecError([Fault("spec", f"cannot be read: {reason}")], str(path)) from error
    return read_yaml(text, str(path))


def _read_parts(settings: dict[Any, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Return the parts that are sound by themselves, with the faults of the others."""
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
        known = space or _sound_part(settings) or SearchSpace(())
        results["baselines"] = read_baselines(settings["baselines"], known)
    results["space_source"] = source if isinstance(source, str | dict) else []
    found = [fault for part in results.values() if isinstance(part, list) for fault in part]
    return {name: part for name, part in results.items() if not isinstance(part, list)}, found


def _with_preset_training(settings: dict[Any, Any]) -> dict[Any, Any]:
    """Return the settings with what the space's preset brings to the training, where not given."""
    space, given = settings.get("space"), settings.get("training") or {}
    name = space.get("preset") if isinstance(space, dict) else space
    brought = PRESET_TRAINING.get(name) if isinstance(name, str) else None
    if brought is None or not isinstance(given, dict):
        return settings
    return {**settings, "training": {**brought, **given}}


def _identity(teacher: TeacherConfig | list[Fault] | None) -> TeacherIdentity | None:
    """Return the teacher's network; that of a default teacher where the section is at fault."""
    if teacher is None:
        return None
    known = TeacherConfig() if isinstance(teacher, list) else teacher
    return TeacherIdentity(
        arch=known.arch, backbone=known.backbone, output_stride=known.output_stride
    )


def _read_name(value: object) -> str | list[Fault]:
    text = str(value)
    if isinstance(value, str | int) and text.isprintable() and 0 < len(text) <= 80:
        return text
    return [Fault("name", f"must be a line of 1 to 80 characters, got {value!r}")]


def _sound_part(settings: dict[Any, Any]) -> SearchSpace | None:
    """Return the space of those dimensions that are sound by themselves, for further rules."""
    source = settings.get("space")
    if not isinstance(source, dict):
        return None
    teacher = _identity([]) if settings.get("teacher") is not None else None
    sound = {
        name: value
        for name, value in source.items()
        if parse_space({name: value}, teacher=teacher)[0] is not None
    }
    return parse_space(sound, teacher=teacher)[0]


def _rule_faults(parts: dict[str, Any], space: SearchSpace | None) -> Iterator[Fault]:
    """Yield the faults between sections, as far as the sections could be read."""
    if "data" in parts:
        yield from data_faults(parts["data"])
    if parts.get("teacher") is not None:
        yield from teacher_faults(parts["teacher"])
    if space is not None:
        yield from resource_faults(parts.get("resources", Resources()), space)
        yield from target_faults(parts.get("target", TargetConfig()), space)
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
