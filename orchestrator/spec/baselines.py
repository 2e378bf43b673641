"""Baselines: named configs that a sweep trains first, read from a spec with every fault."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from orchestrator.spec.papers import PAPERS
from search_spaces.conditions import ALWAYS
from search_spaces.config import TrialConfig, find_faults
from search_spaces.domains import values_of
from search_spaces.faults import Fault, join_path, unknown_name
from search_spaces.fields import ACTIVE_WHERE, FIELDS, FILLED
from search_spaces.joint import DISTILLATION_FIELDS
from search_spaces.resolution import Resolution
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.spec.papers import PaperModel
    from search_spaces.domains import Value
    from search_spaces.space import SearchSpace


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """A config that is trained before the searcher proposes one."""

    name: str
    """Its name in the report: one line, unique in the sweep."""
    config: Mapping[str, Value]
    """The whole config; valid, in the sweep's search space or not."""

    @property
    def digest(self) -> str:
        """Digest of its config, which identifies its trial."""
        return config_digest(self.config)


def names_by_digest(baselines: Iterable[Baseline]) -> dict[str, str]:
    """Return the names of the baselines by config digest, in the given order."""
    return {baseline.digest: baseline.name for baseline in baselines}


ALL = "papers"
"""Word that names the systems of all papers."""
NETWORK = ("arch", "backbone", "last_expansion", "width", "output_stride", "decoder_convs")
"""Settings that define a paper's network."""
STUDENT_ALPHA = 0.5
"""Weight of the soft loss in a distilled system; the papers do not state it."""


def preset_systems(word: str, *, distilled: bool) -> dict[str, dict[str, Any]] | None:
    """Return the settings of each system that ``word`` names; None if it names none.

    A system fixes the network, without compression. Resolution and training are the sweep's, so
    that systems compare by their networks; the papers train far longer, from ImageNet weights.

    Args:
        word: ``papers``, a paper's key, or the name of one system.
        distilled: Whether the sweep has a teacher for the systems that are distilled.
    """
    systems = {
        model.key: _system_settings(model, distilled=distilled)
        for paper in PAPERS
        for model in paper.models
        if word == model.key or (model.system and word in {ALL, paper.key})
    }
    return systems or None


def system_names() -> tuple[str, ...]:
    """Return every word that ``preset_systems`` accepts."""
    models = (model.key for paper in PAPERS for model in paper.models)
    return (ALL, *(paper.key for paper in PAPERS), *models)


def _system_settings(model: PaperModel, *, distilled: bool) -> dict[str, Any]:
    config = TrialConfig.from_mapping(model.config).to_mapping()
    network: dict[str, Any] = {name: config[name] for name in NETWORK if name in config}
    soft = STUDENT_ALPHA if distilled and model.distilled else 0.0
    alpha = {"distill_alpha": soft} if distilled else {}
    return {**network, "quantization": "none", "pruning": "none", **alpha}


PATH = "baselines"
PRESET = "preset"
"""Key of the baselines' mapping for the names of the papers' systems."""
LONGEST_NAME = 60
_DEFAULTS = {field.name: field.default for field in fields(TrialConfig)}


def read_baselines(value: object, space: SearchSpace) -> tuple[Baseline, ...] | list[Fault]:
    """Return the baselines in the order of their trials, or every fault of them.

    A word or a list of words names systems of the papers: ``papers`` for all, a paper, or one
    system. A mapping has the settings of each name. Its key ``preset`` holds such words; under the
    name of one of these systems, settings change it and null removes it. A missing setting takes
    the space's only value or largest resolution, else the default of ``TrialConfig``. A baseline
    may lie outside the space.

    Args:
        value: The text's value; None for no baselines.
        space: Search space of the sweep.
    """
    faults: list[Fault] = []
    settings = _named_settings(value, faults, distilled="distill_alpha" in space.names)
    names: dict[str, str] = {}
    baselines = []
    for name, given in settings.items():
        path = join_path(PATH, name)
        config, config_faults = whole_config(given, space)
        faults += [fault.below(path) for fault in config_faults]
        if config is None:
            continue
        baseline = Baseline(name=name, config=config)
        if baseline.digest in names:
            other = names[baseline.digest]
            faults.append(Fault(path, f"is the same config as {other}; remove one"))
        names[baseline.digest] = name
        baselines.append(baseline)
    return faults or tuple(baselines)


def whole_config(
    given: Mapping[str, object], space: SearchSpace
) -> tuple[dict[str, Value] | None, list[Fault]]:
    """Return the config that ``given`` completes to, or None with its faults."""
    given = {name: value for name, value in given.items() if value is not None}
    whole: dict[str, Any] = {}
    for name in FIELDS:
        if name in given:
            whole[name] = _read(name, given[name])
        elif _active(name, whole, space):
            whole[name] = _filled(name, space)
    faults = find_faults({**whole, **given})
    if not DISTILLATION_FIELDS & set(space.names):
        message = "needs a teacher; add a teacher section, or remove this setting"
        faults += [
            Fault(name, message)
            for name in given
            if name in DISTILLATION_FIELDS and given[name] != 0
        ]
    if faults:
        return None, faults
    config = TrialConfig.from_mapping(whole).to_mapping()
    if config["distill_alpha"] == 0 and not _active("distill_alpha", config, space):
        del config["distill_alpha"]  # points of the space do not have it either
    return config, []


def _named_settings(
    value: object, faults: list[Fault], *, distilled: bool
) -> dict[str, dict[str, Any]]:
    """Return the settings by name; append faults to ``faults``."""
    if value is None:
        return {}
    if isinstance(value, str | list | tuple):
        value = {PRESET: value}
    if not isinstance(value, dict):
        message = f"must be papers, other words, or a mapping of names to settings, got {value!r}"
        faults.append(Fault(PATH, message))
        return {}
    words = value.get(PRESET)
    settings = _systems([words] if isinstance(words, str) else words, faults, distilled=distilled)
    for key, given in value.items():
        name, path = str(key), join_path(PATH, str(key))
        if name == PRESET:
            continue
        if not (name.isprintable() and 0 < len(name.strip()) <= LONGEST_NAME):
            faults.append(Fault(path, f"must be a name of 1 to {LONGEST_NAME} characters"))
        elif isinstance(given, dict):
            settings[name] = {**settings.get(name, {}), **{str(k): v for k, v in given.items()}}
        elif given is None and name in settings:
            del settings[name]
        elif given is None:
            faults.append(Fault(path, "null removes a system of the preset, which has no such one"))
        else:
            faults.append(Fault(path, f"must be a mapping of settings, got {given!r}"))
    return settings


def _systems(words: object, faults: list[Fault], *, distilled: bool) -> dict[str, dict[str, Any]]:
    """Return the settings of the papers' systems that ``words`` name."""
    if words is None:
        return {}
    if not isinstance(words, list | tuple) or not words:
        faults.append(Fault(join_path(PATH, PRESET), f"must be a word or words, got {words!r}"))
        return {}
    settings: dict[str, dict[str, Any]] = {}
    for word in words:
        systems = preset_systems(word, distilled=distilled) if isinstance(word, str) else None
        if systems is None:
            message = unknown_name(word, system_names(), kind="system of a paper")
            faults.append(Fault(join_path(PATH, PRESET), message))
        settings |= systems or {}
    return settings


def _read(name: str, value: object) -> object:
    """Return the value in the form of a config; unchanged if it is invalid."""
    try:
        return FIELDS[name].read(value)
    except ValueError:
        return value


def _active(name: str, whole: Mapping[str, Any], space: SearchSpace) -> bool:
    """Whether a setting is active beside the earlier ones, in general and in the space."""
    if not ACTIVE_WHERE.get(name, ALWAYS).holds(whole):
        return False
    if name in space.names:
        return name not in DISTILLATION_FIELDS or space[name].when.holds(whole)
    return name not in DISTILLATION_FIELDS


def _filled(name: str, space: SearchSpace) -> object:
    """Return the value of a setting that was not given."""
    values: Iterable[Value] = ()
    if name in space.names and (name == "resolution" or space[name].domain.size == 1):
        values = values_of(space[name].domain)
    if name == "resolution" and values:
        return str(max(map(Resolution.parse, values), key=lambda r: r.height * r.width))
    return next(iter(values), FILLED.get(name, _DEFAULTS[name]))
