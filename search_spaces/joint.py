"""The joint space of architecture, training, distillation, resolution and compression."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeAlias

from search_spaces.conditions import ALWAYS, AllOf, Equals, Not
from search_spaces.config import stride_message
from search_spaces.domains import (
    Categorical,
    Domain,
    Float,
    Int,
    LogFloat,
    LogInt,
    Value,
    values_of,
)
from search_spaces.faults import Fault
from search_spaces.fields import ACTIVE_WHERE, FIELDS, FILLED, NumberField
from search_spaces.resolution import Resolution
from search_spaces.space import Dimension, SearchSpace

if TYPE_CHECKING:
    from search_spaces.conditions import Condition

Choice: TypeAlias = Domain | Value | Resolution
"""What a dimension may take: a domain, or one value that is the same in every configuration."""

SOFT = frozenset({"distill_alpha", "temperature"})
"""Dimensions that there are only with a teacher."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherIdentity:
    """What tells a teacher's network from a student's.

    A part that the architecture or the backbone has none of holds None; one that is left out holds
    what a configuration would be filled with.
    """

    arch: str
    """Segmentation architecture."""
    backbone: str
    """Feature extractor."""
    output_stride: int
    """Input side over the side of the deepest feature map: 8, 16 or 32."""
    last_expansion: bool | None = None
    """Whether a MobileNetV3 keeps its last expansion layer."""
    decoder_convs: int | None = None
    """Number of 3x3 convolutions in a DeepLabv3+ decoder."""

    def __post_init__(self) -> None:
        """Fill the parts that were left out."""
        for name in ("last_expansion", "decoder_convs"):
            active = ACTIVE_WHERE[name].holds({"arch": self.arch, "backbone": self.backbone})
            if active and getattr(self, name) is None:
                object.__setattr__(self, name, FILLED[name])

    @property
    def is_this(self) -> Condition:
        """The condition that a configuration has the teacher's own network."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return AllOf(*(Equals(name, part) for name, part in parts.items() if part is not None))


@dataclass(frozen=True, kw_only=True, slots=True)
class JointChoices:
    """What each dimension of the joint space may take; the units are those of ``TrialConfig``.

    A dimension that is not always active is asked only where it is: ``momentum`` says nothing where
    the optimizer is AdamW, ``distill_alpha`` nothing without a teacher.
    """

    arch: Choice = "deeplabv3plus"
    backbone: Choice = "mobilenet_v3_small"
    last_expansion: Choice = True
    output_stride: Choice = 16
    decoder_convs: Choice = 1
    resolution: Choice = "96x128"
    dropout: Choice = 0.1
    batch_size: Choice = 8
    learning_rate: Choice = 1e-3
    optimizer: Choice = "adamw"
    momentum: Choice = 0.9
    weight_decay: Choice = 1e-4
    schedule: Choice = "poly"
    schedule_step_epochs: Choice = 30
    augmentation: Choice = 0.5
    distill_alpha: Choice = 0.5
    temperature: Choice = 2.0
    quantization: Choice = "none"
    pruning: Choice = "none"
    pruning_ratio: Choice = 0.5
    pruning_importance: Choice = "magnitude"
    pruning_when: Choice = "halfway"


def joint_space(choices: JointChoices, *, teacher: TeacherIdentity | None = None) -> SearchSpace:
    """Return the conditional space of ``choices``, in which every configuration is a sound one.

    A dimension with one value stays as a choice of one, so that configurations are whole; one that
    can never be active is left out. Without a teacher there is no distillation; with one,
    configurations of the teacher's own network are trained without it.

    Raises:
        ValueError: a value is impossible, or a resolution does not fit an output stride of the
            space; all faults in one message.
    """
    found = choices_faults(choices)
    if found:
        raise ValueError("; ".join(map(str, found)))
    return assemble(choices, teacher)


def assemble(choices: JointChoices, teacher: TeacherIdentity | None) -> SearchSpace:
    """Return the space of ``choices`` whose dimensions are sound each by itself.

    Raises:
        ValueError: a dimension is not; resolutions are not held against output strides here.
    """
    conditions = dict(ACTIVE_WHERE)
    if teacher is not None:
        conditions["distill_alpha"] = Not(teacher.is_this)
    without = frozenset() if teacher is not None else SOFT
    dimensions = tuple(
        Dimension(name, sound_domain(name, getattr(choices, name)), conditions.get(name, ALWAYS))
        for name in FIELDS
        if name not in without
    )
    return SearchSpace(dimensions).reduced()


def choices_faults(choices: JointChoices) -> list[Fault]:
    """Return every fault of ``choices`` with the dimension it is in; empty for sound ones."""
    found: list[Fault] = []
    domains: dict[str, Domain] = {}
    for name in FIELDS:
        try:
            domains[name] = sound_domain(name, getattr(choices, name))
        except ValueError as error:
            found.append(Fault(name, str(error)))
    if "resolution" in domains and "output_stride" in domains:
        found += _stride_faults(domains["resolution"], domains["output_stride"])
    return found


def sound_domain(name: str, choice: Choice) -> Domain:
    """Return the domain of dimension ``name``, its values in the form a configuration holds.

    Raises:
        ValueError: the dimension cannot take a value of ``choice``, or not a range.
    """
    field = FIELDS[name]
    if isinstance(choice, Categorical):
        return Categorical(*map(field.read, choice.choices))
    if not isinstance(choice, Float | LogFloat | Int | LogInt):
        return Categorical(field.read(choice))
    if not isinstance(field, NumberField):
        raise ValueError(f"takes no range but {field.allowed}; give a list of them")  # noqa: TRY004
    if field.integer and isinstance(choice, Float | LogFloat):
        raise ValueError(f"takes {field.allowed}; give whole numbers as bounds, not {choice}")
    low, high = field.read(choice.low), field.read(choice.high)
    return Categorical(low) if low == high else choice


def _stride_faults(resolutions: Domain, strides: Domain) -> list[Fault]:
    pairs = (
        (Resolution.parse(resolution), int(stride))
        for resolution in values_of(resolutions)
        for stride in values_of(strides)
    )
    messages = (stride_message(resolution, stride) for resolution, stride in pairs)
    return [Fault("resolution", message) for message in messages if message]
