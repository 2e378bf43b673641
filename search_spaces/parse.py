"""Reads a search space from plain values and reports all faults together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from search_spaces.conditions import ALWAYS, AllOf, Not
from search_spaces.domains import Categorical, Domain, Float, Int, LogFloat, LogInt, word
from search_spaces.faults import Fault, join_path, unknown_name
from search_spaces.fields import ACTIVE_WHERE, FIELDS, NumberField, ResolutionField
from search_spaces.joint import (
    DISTILLATION_FIELDS,
    JointChoices,
    assemble,
    choices_faults,
    joint_space,
)
from search_spaces.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.domains import Value
    from search_spaces.joint import TeacherIdentity
    from search_spaces.space import SearchSpace

_RANGE_KEYS = ("low", "high", "log")


def parse_space(
    settings: object, *, teacher: TeacherIdentity | None = None, path: str = "space"
) -> tuple[SearchSpace | None, list[Fault]]:
    """Return the space that ``settings`` describe, or None and all their faults.

    A scalar fixes a dimension, a list is a choice of its items, ``{low: 1, high: 9}`` a range, with
    ``log: true`` a logarithmic one. Missing dimensions are those of the ``preset``, else fixed at a
    configuration's defaults; null counts as missing. Numbers may be text, as YAML 1.1 reads
    ``1e-4``.

    Args:
        settings: A mapping, or the name of a preset.
        teacher: The teacher's network; None without a teacher.
        path: Path of ``settings``, the prefix of all faults' paths.
    """
    if isinstance(settings, str):
        settings = {"preset": settings}
    if not isinstance(settings, dict):
        message = f"must be a mapping of dimensions or the name of a preset, got {settings!r}"
        return None, [Fault(path, message)]
    given = {name: value for name, value in settings.items() if value is not None}
    base, faults = _read_preset(given.pop("preset", None))
    read: dict[str, Domain] = {}
    for name, value in given.items():
        if name not in FIELDS:
            known = ("preset", *FIELDS)
            faults.append(Fault(str(name), unknown_name(name, known, kind="dimension")))
            continue
        domain, domain_faults = _read_domain(name, value)
        faults += domain_faults
        if domain is not None:
            read[name] = domain
    choices = replace(base, **read)
    faults += choices_faults(choices)
    faults += _inactive(
        read, choices, teacher, broken={fault.path.split(".")[0] for fault in faults}
    )
    if faults:
        return None, [fault.below(path) for fault in faults]
    return joint_space(choices, teacher=teacher), []


def _read_preset(name: object) -> tuple[JointChoices, list[Fault]]:
    if name is None:
        return JointChoices(), []
    if isinstance(name, str) and name in PRESETS:
        return PRESETS[name](), []
    return JointChoices(), [Fault("preset", unknown_name(name, PRESETS, kind="preset"))]


def _read_domain(name: str, value: object) -> tuple[Domain | None, list[Fault]]:
    """Return the domain of a dimension, or None and its faults."""
    if isinstance(value, dict):
        return _read_range(name, value)
    if isinstance(value, list | tuple):
        return _read_list(name, list(value))
    read, faults = _read_value(name, value, name)
    return (None if read is None else Categorical(read)), faults


def _read_value(name: str, value: object, path: str) -> tuple[Value | None, list[Fault]]:
    try:
        return FIELDS[name].read(value), []
    except ValueError as error:
        return None, [Fault(path, str(error))]


def _read_list(name: str, items: list[object]) -> tuple[Domain | None, list[Fault]]:
    if not items:
        return None, [Fault(name, f"the list is empty; give {FIELDS[name].allowed}")]
    pair = len(items) == 2 and all(type(item) is int for item in items)
    if pair and isinstance(FIELDS[name], ResolutionField):
        one, two = items
        message = f"can be read in two ways; write {one}x{two} for one, [{one}x{one}, {two}x{two}] "
        return None, [Fault(name, f"{items} {message}for two resolutions")]
    values: list[Value] = []
    faults: list[Fault] = []
    for index, item in enumerate(items):
        value, item_faults = _read_value(name, item, join_path(name, str(index)))
        faults += item_faults
        if value is not None and value in values:
            faults.append(Fault(join_path(name, str(index)), f"{word(value)} is repeated"))
        elif value is not None:
            values.append(value)
    return (None, faults) if faults else (Categorical(*values), [])


def _read_range(name: str, given: Mapping[Any, object]) -> tuple[Domain | None, list[Fault]]:
    field = FIELDS[name]
    if not isinstance(field, NumberField):
        return None, [Fault(name, f"takes no range; give a list of items, each {field.allowed}")]
    faults = [
        Fault(join_path(name, str(key)), unknown_name(key, _RANGE_KEYS, kind="key"))
        for key in given
        if key not in _RANGE_KEYS
    ]
    bounds: dict[str, Any] = {}
    for key in ("low", "high"):
        if given.get(key) is None:
            faults.append(Fault(join_path(name, key), f"is missing; give {field.allowed}"))
            continue
        bounds[key], bound_faults = _read_value(name, given[key], join_path(name, key))
        faults += bound_faults
    log = given.get("log", False)
    if not isinstance(log, bool):
        faults.append(Fault(join_path(name, "log"), f"{log!r} is not true or false"))
    if faults:
        return None, faults
    if bounds["low"] == bounds["high"]:
        return Categorical(bounds["low"]), []
    kind = (LogInt if log else Int) if field.integer else (LogFloat if log else Float)
    try:
        return kind(**bounds), []
    except ValueError as error:
        return None, [Fault(name, str(error))]


def _inactive(
    read: dict[str, Domain],
    choices: JointChoices,
    teacher: TeacherIdentity | None,
    broken: set[str],
) -> list[Fault]:
    """Return a fault for each given dimension that is active in no configuration."""
    faults = []
    active = assemble(choices, teacher).names
    for name, domain in read.items():
        if teacher is None and name in DISTILLATION_FIELDS:
            if domain != Categorical(0.0):
                message = "needs a teacher; add a teacher section, or leave this out"
                faults.append(Fault(name, message))
        elif name not in active:
            when = Not(teacher.is_teacher) if teacher and name in DISTILLATION_FIELDS else ALWAYS
            when = AllOf(when, ACTIVE_WHERE.get(name, ALWAYS))
            message = f"never applies in this space, only where {when}; leave it out"
            if not when.parents & broken:
                faults.append(Fault(name, message))
    return faults
