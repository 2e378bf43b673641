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
"""A domain, or a single value."""

DISTILLATION_FIELDS = frozenset({"distill_alpha", "temperature"})
"""Dimensions that exist only with a teacher."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherIdentity:
    """The fields that determine a teacher's network.

    A field that is inactive for the architecture and backbone is None; an active one that is left
    out has a configuration's default.
    """

    arch: str
    """Segmentation architecture."""
    backbone: str
    """Feature extractor."""
    output_stride: int | None = None
    """Side of the input over that of the deepest feature map: 8, 16 or 32."""
    last_expansion: bool | None = None
    """Whether a MobileNetV3 keeps its last expansion layer."""
    width: float | None = None
    """Multiplier of a MobileNet's channels."""
    decoder_convs: int | None = None
    """Number of 3x3 convolutions in a DeepLabv3+ decoder."""

    def __post_init__(self) -> None:
        """Fill active fields that are None, and set inactive ones to None."""
        for name in ("output_stride", "last_expansion", "width", "decoder_convs"):
            active = ACTIVE_WHERE[name].holds({"arch": self.arch, "backbone": self.backbone})
            if not active:
                object.__setattr__(self, name, None)
            elif getattr(self, name) is None:
                object.__setattr__(self, name, FILLED[name])

    @property
    def is_teacher(self) -> Condition:
        """The condition that a configuration has the teacher's network."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return AllOf(*(Equals(name, part) for name, part in parts.items() if part is not None))


@dataclass(frozen=True, kw_only=True, slots=True)
class JointChoices:
    """Choices of each dimension of the joint space; units are those of ``TrialConfig``.

    A conditional dimension counts only where it is active: ``momentum`` not with AdamW,
    ``distill_alpha`` not without a teacher.
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
    """Return the conditional space of ``choices``, in which every configuration is valid.

    A dimension with one value stays, so that configurations are complete; one that is never active
    is left out. Without a teacher there is no distillation; with one, configurations of the
    teacher's network are not distilled.

    Raises:
        ValueError: a value is not allowed, or a resolution is not a multiple of an output stride of
            the space; all faults in one message.
    """
    faults = choices_faults(choices)
    if faults:
        raise ValueError("; ".join(map(str, faults)))
    return assemble(choices, teacher)


def assemble(choices: JointChoices, teacher: TeacherIdentity | None) -> SearchSpace:
    """Return the space of ``choices`` without checks across dimensions.

    Raises:
        ValueError: a dimension is not valid by itself.
    """
    conditions = dict(ACTIVE_WHERE)
    if teacher is not None:
        conditions["distill_alpha"] = Not(teacher.is_teacher)
    excluded = frozenset() if teacher is not None else DISTILLATION_FIELDS
    domains = {
        name: checked_domain(name, getattr(choices, name))
        for name in FIELDS
        if name not in excluded
    }
    return SearchSpace(
        tuple(
            Dimension(name, domain, _narrowed(conditions.get(name, ALWAYS), domains))
            for name, domain in domains.items()
        )
    ).reduced()


def _narrowed(when: Condition, domains: Mapping[str, Domain]) -> Condition:
    """Return ``when`` without the parts that hold for every network of the space."""
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
    """Return every fault of ``choices`` with its dimension; empty for valid ones."""
    faults: list[Fault] = []
    domains: dict[str, Domain] = {}
    for name in FIELDS:
        try:
            domains[name] = checked_domain(name, getattr(choices, name))
        except ValueError as error:
            faults.append(Fault(name, str(error)))
    if "arch" in domains and "backbone" in domains:
        faults += _pair_faults(domains["arch"], domains["backbone"])
        if "pruning" in domains:
            faults += _pruning_faults(domains)
    if {"arch", "resolution"} <= set(domains):
        faults += _size_faults(domains["arch"], domains["resolution"])
    if {"arch", "resolution", "output_stride"} <= set(domains):
        strides = _strides(domains["arch"], domains["output_stride"])
        faults += _stride_faults(domains["resolution"], strides)
    return faults


def checked_domain(name: str, choice: Choice) -> Domain:
    """Return the domain of dimension ``name`` with its values as a configuration has them.

    Raises:
        ValueError: the dimension does not allow a value of ``choice``, or a range.
    """
    field = FIELDS[name]
    if isinstance(choice, Categorical):
        return Categorical(*map(field.read, choice.choices))
    if not isinstance(choice, Float | LogFloat | Int | LogInt):
        return Categorical(field.read(choice))
    if not isinstance(field, NumberField):
        raise ValueError(f"takes no range; give a list of items, each {field.allowed}")  # noqa: TRY004
    if field.integer and isinstance(choice, Float | LogFloat):
        raise ValueError(f"takes {field.allowed}; give whole numbers as bounds, not {choice}")
    low, high = field.read(choice.low), field.read(choice.high)
    return Categorical(low) if low == high else choice


def _pair_faults(archs: Domain, backbones: Domain) -> list[Fault]:
    pairs = product(map(str, values_of(archs)), map(str, values_of(backbones)))
    messages = (pair_message(arch, backbone) for arch, backbone in pairs)
    return _faults_of("backbone", messages)


def _pruning_faults(domains: Mapping[str, Domain]) -> list[Fault]:
    parts = (map(str, values_of(domains[name])) for name in ("arch", "backbone", "pruning"))
    messages = dict.fromkeys(pruning_message(*names) for names in product(*parts))
    return _faults_of("pruning", messages)


def _strides(archs: Domain, output_strides: Domain) -> list[int]:
    """Return every stride of which a configuration's resolution must be a multiple."""
    strided = [ACTIVE_WHERE["output_stride"].holds({"arch": arch}) for arch in values_of(archs)]
    chosen = [int(stride) for stride in values_of(output_strides)] if any(strided) else []
    fixed = [] if all(strided) or FIXED_STRIDE in chosen else [FIXED_STRIDE]
    return [*chosen, *fixed]


def _stride_faults(resolutions: Domain, strides: list[int]) -> list[Fault]:
    pairs = product(map(Resolution.parse, values_of(resolutions)), strides)
    messages = (stride_message(resolution, stride) for resolution, stride in pairs)
    return _faults_of("resolution", messages)


def _size_faults(archs: Domain, resolutions: Domain) -> list[Fault]:
    pairs = product(map(str, values_of(archs)), map(Resolution.parse, values_of(resolutions)))
    messages = (size_message(arch, resolution) for arch, resolution in pairs)
    return _faults_of("resolution", messages)


def _faults_of(dimension: str, messages: Iterable[str | None]) -> list[Fault]:
    return [Fault(dimension, message) for message in messages if message]
