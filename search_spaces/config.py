"""One configuration of the segmentation space as a typed value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from search_spaces.faults import Fault, unknown_name
from search_spaces.fields import ACTIVE_WHERE, FIELDS, FILLED
from search_spaces.resolution import Resolution
from search_spaces.vocabulary import (
    ARCHS,
    BACKBONES,
    FIXED_STRIDE,
    OWN_ARCHS,
    SMALLEST_SIDES,
    STRIDED_ARCHS,
    Arch,
    Backbone,
    OptimizerName,
    Pruning,
    PruningImportance,
    PruningWhen,
    Quantization,
    ScheduleName,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.domains import Value

__all__ = [
    "ARCHS",
    "BACKBONES",
    "COMMON",
    "FIELD_NAMES",
    "Arch",
    "Backbone",
    "OptimizerName",
    "Pruning",
    "PruningImportance",
    "PruningWhen",
    "Quantization",
    "Resolution",
    "ScheduleName",
    "TrialConfig",
    "config_faults",
    "find_faults",
    "pair_message",
    "pruning_message",
    "size_message",
    "stride_message",
]

SMALL = Resolution(96, 128)
"""Resolution of a configuration that names none: quick on a CPU."""
COMMON = Resolution(256, 256)
"""A resolution that every network takes, where it is the network alone that matters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialConfig:
    """Everything a trial's result depends on besides data, seed and length of training.

    Fields that are not active in a configuration hold None; an active one that is left None is
    filled from ``search_spaces.fields.FILLED``.

    Raises:
        ValueError: a value is impossible; all faults in one message.
    """

    arch: Arch = "deeplabv3plus"
    """Segmentation architecture."""
    backbone: Backbone = "mobilenet_v3_small"
    """Feature extractor, by its torchvision name; ``smp/...`` architectures also take those of
    further libraries, ``timm/NAME`` or ``smp/NAME``."""
    last_expansion: bool | None = None
    """Keep MobileNetV3's last 1x1 expansion layer; None for backbones that have none."""
    width: float | None = None
    """Multiplier of a MobileNet's channels, [0.1, 2]; None for other backbones."""
    output_stride: int | None = None
    """Input side over the side of the deepest feature map: 8, 16 or 32; None where the architecture
    fixes it."""
    decoder_convs: int | None = None
    """Number of 3x3 convolutions in the DeepLabv3+ decoder, 1 or 2; None elsewhere."""
    resolution: Resolution = SMALL
    """Height and width of the images, pixels."""
    dropout: float = 0.1
    """Dropout probability in the head, [0, 1)."""
    batch_size: int = 8
    """Images per optimizer step over all train workers, >= 1."""
    learning_rate: float = 1e-3
    """Initial learning rate, > 0."""
    optimizer: OptimizerName = "adamw"
    """Optimizer."""
    momentum: float | None = None
    """SGD momentum in [0, 1); None for AdamW."""
    weight_decay: float = 1e-4
    """Weight decay, >= 0 (decoupled for AdamW)."""
    schedule: ScheduleName = "poly"
    """Learning-rate schedule over the epochs."""
    schedule_step_epochs: int | None = None
    """Epochs between two multiplications by 0.1, >= 1; None unless ``schedule`` is step."""
    augmentation: float = 0.5
    """Strength of the random transforms, 0 (none) to 1 (strong)."""
    distill_alpha: float = 0.0
    """Weight of the soft loss against the hard loss, [0, 1]; 0 without a teacher."""
    temperature: float | None = None
    """Softening of teacher and student logits, > 0; None where ``distill_alpha`` is 0."""
    quantization: Quantization = "none"
    """How the deployed model's numbers are stored."""
    pruning: Pruning = "none"
    """How weights are removed."""
    pruning_ratio: float | None = None
    """Share of channels (structured) or weights (unstructured) removed, (0, 1)."""
    pruning_importance: PruningImportance | None = None
    """What decides which channels go; None unless ``pruning`` is structured."""
    pruning_when: PruningWhen | None = None
    """When pruning happens in the training; None where ``pruning`` is none."""

    def __post_init__(self) -> None:
        """Refuse an impossible value, fill the active fields that were left out."""
        given = self.to_mapping()
        found = config_faults(given)
        if found:
            raise ValueError("; ".join(found))
        for name, value in FILLED.items():
            if name not in given and ACTIVE_WHERE[name].holds(given):
                object.__setattr__(self, name, value)

    @classmethod
    def from_mapping(cls, config: Mapping[str, object]) -> TrialConfig:
        """Build the typed value from a point of a search space; None counts as not given.

        Raises:
            ValueError: a name is unknown or a value impossible; all faults in one message.
        """
        found = config_faults(config)
        if found:
            raise ValueError("; ".join(found))
        values: dict[str, object] = {
            name: FIELDS[name].read(value) for name, value in config.items() if value is not None
        }
        if "resolution" in values:
            values["resolution"] = Resolution.parse(values["resolution"])
        return cls(**values)  # type: ignore[arg-type]

    def to_mapping(self) -> dict[str, Value]:
        """Return the active fields as JSON scalars, the form ``from_mapping`` reads."""
        values = {name: getattr(self, name) for name in FIELD_NAMES}
        values["resolution"] = str(self.resolution)
        return {name: value for name, value in values.items() if value is not None}


FIELD_NAMES: tuple[str, ...] = tuple(field.name for field in fields(TrialConfig))
_DEFAULTS: dict[str, object] = {
    field.name: field.default for field in fields(TrialConfig) if field.default is not None
}


def config_faults(config: Mapping[str, object]) -> list[str]:
    """Return every fault of ``config`` as ``name: what is wrong``; empty for a sound one."""
    return [str(fault) for fault in find_faults(config)]


def find_faults(config: Mapping[str, object]) -> list[Fault]:
    """Return every fault of ``config`` with the field it is in; None counts as not given.

    Numbers may be text and whole numbers floats, as they come from YAML or a command line.
    """
    found: list[Fault] = []
    read: dict[str, Value] = {}
    for name, value in config.items():
        if name not in FIELDS:
            found.append(Fault(str(name), unknown_name(name, FIELD_NAMES, kind="field")))
        elif value is not None:
            try:
                read[name] = FIELDS[name].read(value)
            except ValueError as error:
                found.append(Fault(name, str(error)))
    broken = {fault.path for fault in found}
    whole = {**_DEFAULTS, **read}
    found += _inactive(read, whole, broken)
    return [
        *found,
        *_pair_fault(whole, broken),
        *_pruning_fault(whole, broken),
        *_stride_fault(whole, broken),
        *_size_fault(whole, broken),
    ]


def _inactive(read: dict[str, Value], whole: dict[str, object], broken: set[str]) -> list[Fault]:
    """Return the fields that are given where they have no meaning."""
    found = []
    for name, when in ACTIVE_WHERE.items():
        if name in read and not (when.parents & broken) and not when.holds(whole):
            here = ", ".join(f"{parent} is {whole.get(parent)}" for parent in sorted(when.parents))
            found.append(Fault(name, f"{read[name]!r} applies only where {when}; here {here}"))
    return found


def _pair_fault(whole: dict[str, object], broken: set[str]) -> list[Fault]:
    """Return the fault of a backbone that the architecture cannot be built on."""
    message = pair_message(str(whole["arch"]), str(whole["backbone"]))
    return [Fault("backbone", message)] if message and not broken & {"arch", "backbone"} else []


def _pruning_fault(whole: dict[str, object], broken: set[str]) -> list[Fault]:
    """Return the fault of channels that cannot be taken out of the network."""
    names = ("arch", "backbone", "pruning")
    message = pruning_message(*(str(whole[name]) for name in names))
    return [Fault("pruning", message)] if message and not broken & set(names) else []


def _stride_fault(whole: dict[str, object], broken: set[str]) -> list[Fault]:
    """Return the fault of a resolution that the stride of the deepest map does not divide."""
    if broken & {"resolution", "output_stride"}:
        return []
    strided = ACTIVE_WHERE["output_stride"].holds(whole)
    stride = whole.get("output_stride", FILLED["output_stride"]) if strided else FIXED_STRIDE
    message = stride_message(Resolution.parse(whole["resolution"]), int(str(stride)))
    return [Fault("resolution", message)] if message else []


def _size_fault(whole: dict[str, object], broken: set[str]) -> list[Fault]:
    """Return the fault of a resolution that is too small for the architecture."""
    if broken & {"arch", "resolution"}:
        return []
    message = size_message(str(whole["arch"]), Resolution.parse(whole["resolution"]))
    return [Fault("resolution", message)] if message else []


def pair_message(arch: str, backbone: str) -> str | None:
    """Return why an architecture cannot be built on a backbone; None where it can."""
    if "/" in backbone and "/" not in arch:
        return f"{backbone} comes from a library and goes with an arch smp/... only, not {arch}"
    if backbone == "vgg16" and arch in STRIDED_ARCHS:
        return f"vgg16 pools where {arch} needs strides; take it with arch deconvnet or smp/..."
    return None


def pruning_message(arch: str, backbone: str, pruning: str) -> str | None:
    """Return why a network cannot be pruned so; None where it can."""
    if pruning == "structured" and arch not in OWN_ARCHS:
        return f"structured goes with {', '.join(OWN_ARCHS)} only, not {arch}; take unstructured"
    if pruning == "structured" and backbone == "vgg16":
        return (
            "structured does not go with vgg16, whose mirror unpools each channel at the places of "
            "the encoder's own; take unstructured, or another backbone"
        )
    return None


def stride_message(resolution: Resolution, output_stride: int) -> str | None:
    """Return why the output stride does not fit the resolution; None where it does."""
    if resolution.divides_by(output_stride):
        return None
    nearest = " or ".join(map(str, resolution.nearest(output_stride)))
    return (
        f"{resolution} does not fit an output stride of {output_stride}: both sides must be "
        f"multiples of {output_stride}; nearest allowed: {nearest}"
    )


def size_message(arch: str, resolution: Resolution) -> str | None:
    """Return why a resolution is too small for an architecture; None where it is not."""
    least = SMALLEST_SIDES.get(arch, 1)
    if min(resolution.height, resolution.width) >= least:
        return None
    return (
        f"{resolution} is too small for {arch}, which needs {least} pixels on both sides; take a "
        "larger one, or another arch"
    )
