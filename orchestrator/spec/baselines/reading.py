"""Baselines read from a spec's text, with every fault named at once."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from orchestrator.spec.baselines.baseline import Baseline
from orchestrator.spec.baselines.systems import preset_systems, system_names
from search_spaces.conditions import ALWAYS
from search_spaces.config import TrialConfig, find_faults
from search_spaces.domains import values_of
from search_spaces.faults import Fault, join_path, unknown_name
from search_spaces.fields import ACTIVE_WHERE, FIELDS, FILLED
from search_spaces.joint import DISTILLATION_FIELDS
from search_spaces.resolution import Resolution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from search_spaces.domains import Value
    from search_spaces.space import SearchSpace

PATH = "baselines"
PRESET = "preset"
"""Key of a mapping of baselines under which the papers' systems are named."""
LONGEST_NAME = 60
_DEFAULTS = {field.name: field.default for field in fields(TrialConfig)}


def read_baselines(value: object, space: SearchSpace) -> tuple[Baseline, ...] | list[Fault]:
    """Return the baselines in the order in which they are tried, or what is wrong with them.

    A word, or a list of words, names systems of the papers: ``papers`` for all, a paper's, or one
    system. A mapping gives each name its settings; its key ``preset`` holds such words, a name of
    theirs with settings changes the system, with null leaves it out. A setting that is not given is
    the space's where that has one value, the space's largest resolution, else a configuration's
    default. A baseline may lie outside the space.

    Args:
        value: What the text has; None for no baselines.
        space: What the sweep searches.
    """
    found: list[Fault] = []
    settings = _named_settings(value, found, distilled="distill_alpha" in space.names)
    read: dict[str, str] = {}
    baselines = []
    for name, given in settings.items():
        path = join_path(PATH, name)
        config, faults = whole_config(given, space)
        found += [fault.below(path) for fault in faults]
        if config is None:
            continue
        baseline = Baseline(name=name, config=config)
        if baseline.digest in read:
            other = read[baseline.digest]
            found.append(Fault(path, f"is the same configuration as {other}; leave one out"))
        read[baseline.digest] = name
        baselines.append(baseline)
    return found or tuple(baselines)


def whole_config(
    given: Mapping[str, object], space: SearchSpace
) -> tuple[dict[str, Value] | None, list[Fault]]:
    """Return the configuration that some of its settings name, or None with what is wrong."""
    given = {name: value for name, value in given.items() if value is not None}
    whole: dict[str, Any] = {}
    for name in FIELDS:
        if name in given:
            whole[name] = _read(name, given[name])
        elif _active(name, whole, space):
            whole[name] = _filled(name, space)
    found = find_faults({**whole, **given})
    if not DISTILLATION_FIELDS & set(space.names):
        message = "needs a teacher; add a teacher section, or leave this out"
        found += [
            Fault(name, message)
            for name in given
            if name in DISTILLATION_FIELDS and given[name] != 0
        ]
    if found:
        return None, found
    config = TrialConfig.from_mapping(whole).to_mapping()
    if config["distill_alpha"] == 0 and not _active("distill_alpha", config, space):
        del config["distill_alpha"]  # as in a point of the space
    return config, []


def _named_settings(
    value: object, found: list[Fault], *, distilled: bool
) -> dict[str, dict[str, Any]]:
    """Return the settings by name, with what is wrong added to ``found``."""
    if value is None:
        return {}
    if isinstance(value, str | list | tuple):
        value = {PRESET: value}
    if not isinstance(value, dict):
        message = f"must be papers, other words, or a mapping of names to settings, got {value!r}"
        found.append(Fault(PATH, message))
        return {}
    words = value.get(PRESET)
    settings = _systems([words] if isinstance(words, str) else words, found, distilled=distilled)
    for key, own in value.items():
        name, path = str(key), join_path(PATH, str(key))
        if name == PRESET:
            continue
        if not (name.isprintable() and 0 < len(name.strip()) <= LONGEST_NAME):
            found.append(Fault(path, f"must be a name of 1 to {LONGEST_NAME} characters"))
        elif isinstance(own, dict):
            settings[name] = {**settings.get(name, {}), **{str(k): v for k, v in own.items()}}
        elif own is None and name in settings:
            del settings[name]
        elif own is None:
            found.append(Fault(path, "null leaves out a system of the preset, which it is none of"))
        else:
            found.append(Fault(path, f"must be a mapping of settings, got {own!r}"))
    return settings


def _systems(words: object, found: list[Fault], *, distilled: bool) -> dict[str, dict[str, Any]]:
    """Return the settings of the papers' systems that ``words`` name, each once."""
    if words is None:
        return {}
    if not isinstance(words, list | tuple) or not words:
        found.append(Fault(join_path(PATH, PRESET), f"must be a word or words, got {words!r}"))
        return {}
    settings: dict[str, dict[str, Any]] = {}
    for word in words:
        systems = preset_systems(word, distilled=distilled) if isinstance(word, str) else None
        if systems is None:
            message = unknown_name(word, system_names(), kind="system of a paper")
            found.append(Fault(join_path(PATH, PRESET), message))
        settings |= systems or {}
    return settings


def _read(name: str, value: object) -> object:
    """Return the value in the form a configuration holds; as it is where it is at fault."""
    try:
        return FIELDS[name].read(value)
    except ValueError:
        return value


def _active(name: str, whole: Mapping[str, Any], space: SearchSpace) -> bool:
    """Whether a setting means something beside the earlier ones, in general and in the space."""
    if not ACTIVE_WHERE.get(name, ALWAYS).holds(whole):
        return False
    if name in space.names:
        return name not in DISTILLATION_FIELDS or space[name].when.holds(whole)
    return name not in DISTILLATION_FIELDS


def _filled(name: str, space: SearchSpace) -> object:
    """Return what a setting is that was not given."""
    values: Iterable[Value] = ()
    if name in space.names and (name == "resolution" or space[name].domain.size == 1):
        values = values_of(space[name].domain)
    if name == "resolution" and values:
        return str(max(map(Resolution.parse, values), key=lambda r: r.height * r.width))
    return next(iter(values), FILLED.get(name, _DEFAULTS[name]))
