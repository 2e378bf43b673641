"""Allowed values of each field of a configuration."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from search_spaces import vocabulary as names
from search_spaces.conditions import Above, AllOf, Equals, OneOf
from search_spaces.faults import did_you_mean
from search_spaces.resolution import Resolution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.conditions import Condition
    from search_spaces.domains import Value


@dataclass(frozen=True, slots=True)
class ChoiceField:
    """One of a closed set of names or numbers."""

    values: tuple[str, ...] | tuple[int, ...]
    available: tuple[str, ...] | None = None
    """Values that this version implements; None for all."""

    @property
    def allowed(self) -> str:
        """The allowed values as text."""
        return "one of " + ", ".join(map(str, self.available or self.values))

    def read(self, value: object) -> Value:
        """Return the equal one of ``values``; a number may be given as text.

        Raises:
            ValueError: there is none, or it is not available in this version.
        """
        wanted = _number(value) if isinstance(self.values[0], int) else value
        for known in self.values:
            if not isinstance(wanted, bool) and wanted == known:
                if self.available is None or known in self.available:
                    return known
                offered = ", ".join(self.available)
                raise ValueError(
                    f"{value!r} is not available in this version yet; available: {offered}"
                )
        hint = did_you_mean(value, map(str, self.values))
        raise ValueError(f"{value!r} is not {self.allowed}{hint}")


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberField:
    """A number in an interval."""

    low: float
    """Lower bound, included unless ``open_low``."""
    high: float = math.inf
    """Upper bound, included unless ``open_high``."""
    integer: bool = False
    """Only whole numbers."""
    open_low: bool = False
    open_high: bool = False

    @property
    def allowed(self) -> str:
        """The allowed values as text."""
        kind = "a whole number" if self.integer else "a number"
        if math.isinf(self.high):
            return f"{kind} {'>' if self.open_low else '>='} {self.low:g}"
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"{kind} in {left}{self.low:g}, {self.high:g}{right}"

    def read(self, value: object) -> Value:
        """Return ``value`` as int or float; it may be text, as YAML 1.1 reads ``1e-4``.

        Raises:
            ValueError: it is not a finite number in the interval.
        """
        number = _number(value)
        if number is None or not self._holds(number):
            raise ValueError(f"{value!r} is not {self.allowed}")
        return int(number) if self.integer else float(number)

    def _holds(self, number: float) -> bool:
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        return above and below and (float(number).is_integer() or not self.integer)


@dataclass(frozen=True, slots=True)
class FlagField:
    """True or false."""

    @property
    def allowed(self) -> str:
        """The allowed values as text."""
        return "true or false"

    def read(self, value: object) -> Value:
        """Return ``value``; ValueError unless it is a bool."""
        if isinstance(value, bool):
            return value
        raise ValueError(f"{value!r} is not {self.allowed}")


@dataclass(frozen=True, slots=True)
class ResolutionField:
    """Height and width of an image."""

    @property
    def allowed(self) -> str:
        """The allowed values as text."""
        return "HEIGHTxWIDTH such as 96x128, or one number"

    def read(self, value: object) -> Value:
        """Return ``value`` as ``HEIGHTxWIDTH``; ValueError if it is not a resolution."""
        return str(Resolution.parse(value))


@dataclass(frozen=True, slots=True)
class BackboneField:
    """One of a closed set of names, or ``LIBRARY/NAME``."""

    values: tuple[str, ...]
    libraries: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The allowed values as text."""
        libraries = ", ".join(f"{library}/NAME" for library in self.libraries)
        return f"one of {', '.join(self.values)}, {libraries}"

    def read(self, value: object) -> Value:
        """Return ``value``; ValueError if it is neither in the set nor of a library."""
        library = "|".join(self.libraries)
        if isinstance(value, str) and (
            value in self.values or re.fullmatch(rf"({library})/[\w.\-]+", value)
        ):
            return value
        raise ValueError(f"{value!r} is not {self.allowed}{did_you_mean(value, self.values)}")


Field: TypeAlias = ChoiceField | NumberField | FlagField | ResolutionField | BackboneField

FIELDS: Mapping[str, Field] = {
    "arch": ChoiceField(names.ARCHS),
    "backbone": BackboneField(names.BACKBONES, names.BACKBONE_LIBRARIES),
    "last_expansion": FlagField(),
    "width": NumberField(low=0.1, high=2.0),
    "output_stride": ChoiceField(names.OUTPUT_STRIDES),
    "decoder_convs": ChoiceField(names.DECODER_CONVS),
    "resolution": ResolutionField(),
    "dropout": NumberField(low=0, high=1, open_high=True),
    "batch_size": NumberField(low=1, integer=True),
    "learning_rate": NumberField(low=0, open_low=True),
    "optimizer": ChoiceField(names.OPTIMIZERS),
    "momentum": NumberField(low=0, high=1, open_high=True),
    "weight_decay": NumberField(low=0),
    "schedule": ChoiceField(names.SCHEDULES),
    "schedule_step_epochs": NumberField(low=1, integer=True),
    "augmentation": NumberField(low=0, high=1),
    "distill_alpha": NumberField(low=0, high=1),
    "temperature": NumberField(low=0, open_low=True),
    "quantization": ChoiceField(names.QUANTIZATIONS, names.IMPLEMENTED_QUANTIZATION),
    "pruning": ChoiceField(names.PRUNINGS, names.IMPLEMENTED_PRUNING),
    "pruning_ratio": NumberField(low=0, high=1, open_low=True, open_high=True),
    "pruning_importance": ChoiceField(names.PRUNING_IMPORTANCES),
    "pruning_when": ChoiceField(names.PRUNING_WHENS),
}
"""Every field of a configuration; conditions read only earlier ones."""

_PRUNED = OneOf("pruning", "structured", "unstructured")

_BUILTIN = OneOf("arch", *names.BUILTIN_ARCHS)

ACTIVE_WHERE: Mapping[str, Condition] = {
    "last_expansion": AllOf(
        OneOf("backbone", "mobilenet_v3_large", "mobilenet_v3_small"), _BUILTIN
    ),
    "width": AllOf(OneOf("backbone", *names.MOBILENETS), _BUILTIN),
    "output_stride": OneOf("arch", *names.STRIDED_ARCHS),
    "decoder_convs": Equals("arch", "deeplabv3plus"),
    "momentum": Equals("optimizer", "sgd"),
    "schedule_step_epochs": Equals("schedule", "step"),
    "temperature": Above("distill_alpha", 0.0),
    "pruning_ratio": _PRUNED,
    "pruning_importance": Equals("pruning", "structured"),
    "pruning_when": _PRUNED,
}
"""Where each conditional field is active; a field given elsewhere is a fault."""

FILLED: Mapping[str, Value] = {
    "last_expansion": True,
    "width": 1.0,
    "output_stride": 16,
    "decoder_convs": 1,
    "momentum": 0.9,
    "schedule_step_epochs": 30,
    "temperature": 2.0,
    "pruning_ratio": 0.5,
    "pruning_importance": "magnitude",
    "pruning_when": "halfway",
}
"""Default of each conditional field where it is active."""


def without_inactive(values: Mapping[str, object]) -> dict[str, object]:
    """Return ``values`` without inactive fields."""
    return {
        name: value
        for name, value in values.items()
        if name not in ACTIVE_WHERE or ACTIVE_WHERE[name].holds(values)
    }


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int | float) and math.isfinite(value):
        return value
    return None
