"""Sections of a spec read into their config dataclasses."""

from __future__ import annotations

from dataclasses import fields
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from orchestrator.spec.sweep_spec import current_scheduler, scheduler_names, searcher_names
from search_spaces.faults import Fault, unknown_name
from search_spaces.resolution import Resolution
from trainables.data.masks.class_colors import color_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from pydantic_core import ErrorDetails

T = TypeVar("T")


def read_section(kind: type[T], value: object, path: str) -> T | list[Fault]:
    """Return ``value`` as the dataclass ``kind``, or every fault of it.

    Faults are unknown keys, wrong types, values out of range and numbers that are not finite. A key
    that is not given takes the dataclass's default; so does a whole section of None. The dataclass
    states ranges in its field types (``annotated_types``).

    Args:
        kind: Frozen dataclass of the section; every field has a default.
        value: The text's value: a mapping, or None.
        path: Name of the section, the first part of every fault's path.
    """
    if value is None:
        value = {}
    if not isinstance(value, dict):
        return [Fault(path, f"must be a mapping of settings, got {value!r}")]
    settings: dict[object, object] = {}
    faults = []
    for key, item in value.items():
        try:
            settings[key] = _normalize(kind, f"{path}.{key}", item)
        except ValueError as error:
            faults.append(Fault(f"{path}.{key}", str(error)))
    try:
        section = _model(cast("Hashable", kind), path).model_validate({path: settings})
    except ValidationError as error:
        return faults + [_fault(kind, each) for each in error.errors(include_url=False)]
    return faults or cast("T", getattr(section, path))


@cache
def _model(kind: type[Any], path: str) -> type[BaseModel]:
    """Return a model around the dataclass, because a plain dataclass takes its parent's config."""
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    definitions: dict[str, Any] = {path: (kind, ...)}
    return create_model("Section", __config__=config, **definitions)


@cache
def _boolean_fields(kind: Hashable) -> frozenset[str]:
    hints = get_type_hints(kind)
    return frozenset(name for name, hint in hints.items() if bool in (hint, *get_args(hint)))


def _normalize(kind: type[Any], path: str, value: object) -> object:
    """Return the value in the field's own form.

    Raises:
        ValueError: the field does not take it.
    """
    booleans = _boolean_fields(cast("Hashable", kind))
    if isinstance(value, bool) and path.rpartition(".")[2] not in booleans:  # 1 to pydantic
        raise ValueError(f"must be something other than true or false, got {value!r}")
    return NORMALIZERS[path](value) if path in NORMALIZERS else value


def _resolution(value: object) -> str | None:
    return None if value is None else str(Resolution.parse(value))


def _colors(value: object) -> object:
    """Return the colours of a mapping as ``#rrggbb``, any other value as it is."""
    if not isinstance(value, dict):
        return value
    return {name: color_text(color) for name, color in value.items()}


def _sweeps(value: object) -> bool | tuple[str, ...]:
    """Return true, false or a tuple of names; one name may stand alone."""
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list | tuple) and all(isinstance(n, str) and n for n in names):
        return tuple(names)
    if isinstance(value, bool):
        return value
    raise ValueError(f"must be true, false or a list of names of sweeps, got {value!r}")


def _one_of(names: tuple[str, ...], value: object) -> object:
    if value not in names:
        raise ValueError(f"must be one of {', '.join(names)}, got {value!r}")
    return value


def _scheduler(value: object) -> object:
    return _one_of(scheduler_names(), current_scheduler(value) if isinstance(value, str) else value)


NORMALIZERS: Mapping[str, Callable[[object], object]] = {
    "data.class_colors": _colors,
    "training.eval_resolution": _resolution,
    "teacher.resolution": _resolution,
    "search.searcher": partial(_one_of, searcher_names()),
    "search.scheduler": _scheduler,
    "search.warm_start": _sweeps,
}
"""Fields with more forms in a text than in their dataclass, or with names from a registry."""


def _fault(kind: type[Any], error: ErrorDetails) -> Fault:
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] in {"unexpected_keyword_argument", "invalid_key"}:
        names = [field.name for field in fields(kind)]
        return Fault(path, unknown_name(error["loc"][-1], names, kind="key"))
    message = error["msg"].removeprefix("Input should be ")
    return Fault(path, f"must be {message}, got {error['input']!r}")
