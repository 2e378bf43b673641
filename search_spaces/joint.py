"""The joint space of architecture, training, distillation, resolution and compression."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from search_spaces.conditions import ALWAYS, AllOf, Equals, Not, OneOf
from search_spaces.config import pair_message, pruning_message, size_message, stride_message
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
from search_spaces.vocabulary import FIXED_STRIDE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    output_stride: int | None = None
    """Input side over the side of the deepest feature map: 8, 16 or 32."""
    last_expansion: bool | None = None
    """Whether a MobileNetV3 keeps its last expansion layer."""
    width: float | None = None
    """Multiplier of a MobileNet's channels."""
    decoder_convs: int | None = None
    """Number of 3x3 convolutions in a DeepLabv3+ decoder."""

    def __post_init__(self) -> None:
        """Fill the parts that were left out, leave out those that the network has none of."""
        for name in ("output_stride", "last_expansion", "width", "decoder_convs"):
            active = ACTIVE_WHERE[name].holds({"arch": self.arch, "backbone": self.backbone})
            if not active:
                object.__setattr__(self, name, None)
            elif getattr(self, name) is None:
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
    width: Choice = 1.0
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
    domains = {
        name: sound_domain(name, getattr(choices, name)) for name in FIELDS if name not in without
    }
    return SearchSpace(
        tuple(
            Dimension(name, domain, _narrowed(conditions.get(name, ALWAYS), domains))
            for name, domain in domains.items()
        )
    ).reduced()


def _narrowed(when: Condition, domains: Mapping[str, Domain]) -> Condition:
    """Return ``when`` without those of its parts that every network of the space fulfils."""
    if not isinstance(when, AllOf):
        return when
    return AllOf(
        *(
            part
            for part in when.conditions
            if not (
                isinstance(part, OneOf)
                and part.name not in ACTIVE_WHERE
                and all(value in part.values for value in values_of(domains[part.name]))
            )
        )
    )


def choices_faults(choices: JointChoices) -> list[Fault]:
    """Return every fault of ``choices`` with the dimension it is in; empty for sound ones."""
    found: list[Fault] = []
    domains: dict[str, Domain] = {}
    for name in FIELDS:
        try:
            domains[name] = sound_domain(name, getattr(choices, name))
        except ValueError as error:
            found.append(Fault(name, str(error)))
    if "arch" in domains and "backbone" in domains:
        found += _pair_faults(domains["arch"], domains["backbone"])
        if "pruning" in domains:
            found += _pruning_faults(domains)
    if {"arch", "resolution"} <= set(domains):
        found += _size_faults(domains["arch"], domains["resolution"])
    if {"arch", "resolution", "output_stride"} <= set(domains):
        strides = _strides(domains["arch"], domains["output_stride"])
        found += _stride_faults(domains["resolution"], strides)
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


def _pair_faults(archs: Domain, backbones: Domain) -> list[Fault]:
    pairs = product(map(str, values_of(archs)), map(str, values_of(backbones)))
    messages = (pair_message(arch, backbone) for arch, backbone in pairs)
    return _told("backbone", messages)


def _pruning_faults(domains: Mapping[str, Domain]) -> list[Fault]:
    parts = (map(str, values_of(domains[name])) for name in ("arch", "backbone", "pruning"))
    messages = dict.fromkeys(pruning_message(*names) for names in product(*parts))
    return _told("pruning", messages)


def _strides(archs: Domain, output_strides: Domain) -> list[int]:
    """Return every stride that a configuration's resolution has to be a multiple of."""
    strided = [ACTIVE_WHERE["output_stride"].holds({"arch": arch}) for arch in values_of(archs)]
    chosen = [int(stride) for stride in values_of(output_strides)] if any(strided) else []
    fixed = [] if all(strided) or FIXED_STRIDE in chosen else [FIXED_STRIDE]
    return [*chosen, *fixed]


def _stride_faults(resolutions: Domain, strides: list[int]) -> list[Fault]:
    pairs = product(map(Resolution.parse, values_of(resolutions)), strides)
    messages = (stride_message(resolution, stride) for resolution, stride in pairs)
    return _told("resolution", messages)


def _size_faults(archs: Domain, resolutions: Domain) -> list[Fault]:
    pairs = product(map(str, values_of(archs)), map(Resolution.parse, values_of(resolutions)))
    messages = (size_message(arch, resolution) for arch, resolution in pairs)
    return _told("resolution", messages)


def _told(dimension: str, messages: Iterable[str | None]) -> list[Fault]:
    return [Fault(dimension, message) for message in messages if message]
