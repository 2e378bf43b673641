"""A configuration of the segmentation space as a typed value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from search_spaces.faults import Fault, unknown_name
from search_spaces.fields import ACTIVE_WHERE, FIELDS, FILLED
from search_spaces.resolution import Resolution
from search_spaces.vocabulary import (
    BUILTIN_ARCHS,
    FIXED_STRIDE,
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

DEFAULT_RESOLUTION = Resolution(96, 128)
"""Resolution of a configuration without one: fast on a CPU."""
COMMON = Resolution(256, 256)
"""A resolution that every network supports, for code that only needs the network."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialConfig:
    """All that determines a trial's result besides data, seed and number of epochs.

    An inactive field is None; an active one that is None is filled from
    ``search_spaces.fields.FILLED``.

    Raises:
        ValueError: a value is not allowed; all faults in one message.
    """

    arch: Arch = "deeplabv3plus"
    """Segmentation architecture."""
    backbone: Backbone = "mobilenet_v3_small"
    """Feature extractor: a torchvision name; for ``smp/...`` architectures also ``timm/NAME`` or
    ``smp/NAME``."""
    last_expansion: bool | None = None
    """Keep MobileNetV3's last 1x1 expansion layer; None for other backbones."""
    width: float | None = None
    """Multiplier of a MobileNet's channels, [0.1, 2]; None for other backbones."""
    output_stride: int | None = None
    """Side of the input over that of the deepest feature map: 8, 16 or 32; None where the
    architecture fixes it."""
    decoder_convs: int | None = None
    """Number of 3x3 convolutions in the DeepLabv3+ decoder, 1 or 2; None elsewhere."""
    resolution: Resolution = DEFAULT_RESOLUTION
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
    """Weight of the soft loss, [0, 1]; the hard loss has the rest; 0 without a teacher."""
    temperature: float | None = None
    """Divisor of teacher and student logits, > 0; None where ``distill_alpha`` is 0."""
    quantization: Quantization = "none"
    """Number format of the deployed model."""
    pruning: Pruning = "none"
    """Pruning method."""
    pruning_ratio: float | None = None
    """Share of channels (structured) or weights (unstructured) removed, (0, 1)."""
    pruning_importance: PruningImportance | None = None
    """Importance score of channels; None unless ``pruning`` is structured."""
    pruning_when: PruningWhen | None = None
    """When in the training weights are pruned; None where ``pruning`` is none."""

    def __post_init__(self) -> None:
        given = self.to_mapping()
        faults = config_faults(given)
        if faults:
            raise ValueError("; ".join(faults))
        for name, value in FILLED.items():
            if name not in given and ACTIVE_WHERE[name].holds(given):
                object.__setattr__(self, name, value)

    @classmethod
    def from_mapping(cls, config: Mapping[str, object]) -> TrialConfig:
        """Return the typed value of a point of a search space; None counts as not given.

        Raises:
            ValueError: a name is unknown or a value not allowed; all faults in one message.
        """
        faults = config_faults(config)
        if faults:
            raise ValueError("; ".join(faults))
        values: dict[str, object] = {
            name: FIELDS[name].read(value) for name, value in config.items() if value is not None
        }
        if "resolution" in values:
            values["resolution"] = Resolution.parse(values["resolution"])
        return cls(**values)  # type: ignore[arg-type]

    def to_mapping(self) -> dict[str, Value]:
        """Return the active fields as JSON scalars, as ``from_mapping`` reads them."""
        values = {name: getattr(self, name) for name in FIELD_NAMES}
        values["resolution"] = str(self.resolution)
        return {name: value for name, value in values.items() if value is not None}


FIELD_NAMES: tuple[str, ...] = tuple(field.name for field in fields(TrialConfig))
_DEFAULTS: dict[str, object] = {
    field.name: field.default for field in fields(TrialConfig) if field.default is not None
}


def config_faults(config: Mapping[str, object]) -> list[str]:
    """Return every fault of ``config`` as ``name: message``; empty for a valid one."""
    return [str(fault) for fault in find_faults(config)]


def find_faults(config: Mapping[str, object]) -> list[Fault]:
    """Return every fault of ``config`` with its field; None counts as not given.

    Numbers may be given as text, and integers as floats, as in YAML and on a command line.
    """
    faults: list[Fault] = []
    read: dict[str, Value] = {}
    for name, value in config.items():
        if name not in FIELDS:
            faults.append(Fault(str(name), unknown_name(name, FIELD_NAMES, kind="field")))
        elif value is not None:
            try:
                read[name] = FIELDS[name].read(value)
            except ValueError as error:
                faults.append(Fault(name, str(error)))
    broken = {fault.path for fault in faults}
    full = {**_DEFAULTS, **read}
    faults += _inactive(read, full, broken)
    return [
        *faults,
        *_pair_fault(full, broken),
        *_pruning_fault(full, broken),
        *_stride_fault(full, broken),
        *_size_fault(full, broken),
    ]


def _inactive(read: dict[str, Value], full: dict[str, object], broken: set[str]) -> list[Fault]:
    """Return a fault for each field that is given although it is inactive."""
    faults = []
    for name, when in ACTIVE_WHERE.items():
        if name in read and not (when.parents & broken) and not when.holds(full):
            here = ", ".join(f"{parent} is {full.get(parent)}" for parent in sorted(when.parents))
            faults.append(Fault(name, f"{read[name]!r} applies only where {when}; here {here}"))
    return faults


def _pair_fault(full: dict[str, object], broken: set[str]) -> list[Fault]:
    """Return the fault of a backbone that the architecture does not support."""
    message = pair_message(str(full["arch"]), str(full["backbone"]))
    return [Fault("backbone", message)] if message and not broken & {"arch", "backbone"} else []


def _pruning_fault(full: dict[str, object], broken: set[str]) -> list[Fault]:
    """Return the fault of a pruning method that the network does not support."""
    names = ("arch", "backbone", "pruning")
    message = pruning_message(*(str(full[name]) for name in names))
    return [Fault("pruning", message)] if message and not broken & set(names) else []


def _stride_fault(full: dict[str, object], broken: set[str]) -> list[Fault]:
    """Return the fault of a resolution that is not a multiple of the output stride."""
    if broken & {"resolution", "output_stride"}:
        return []
    strided = ACTIVE_WHERE["output_stride"].holds(full)
    stride = full.get("output_stride", FILLED["output_stride"]) if strided else FIXED_STRIDE
    message = stride_message(Resolution.parse(full["resolution"]), int(str(stride)))
    return [Fault("resolution", message)] if message else []


def _size_fault(full: dict[str, object], broken: set[str]) -> list[Fault]:
    """Return the fault of a resolution that is too small for the architecture."""
    if broken & {"arch", "resolution"}:
        return []
    message = size_message(str(full["arch"]), Resolution.parse(full["resolution"]))
    return [Fault("resolution", message)] if message else []


def pair_message(arch: str, backbone: str) -> str | None:
    """Return why an architecture does not support a backbone; None where it does."""
    if "/" in backbone and "/" not in arch:
        return f"{backbone} comes from a library and goes with an arch smp/... only, not {arch}"
    if backbone == "vgg16" and arch in STRIDED_ARCHS:
        return f"vgg16 pools where {arch} needs strides; take it with arch deconvnet or smp/..."
    return None


def pruning_message(arch: str, backbone: str, pruning: str) -> str | None:
    """Return why a network does not support a pruning method; None where it does."""
    if pruning == "structured" and arch not in BUILTIN_ARCHS:
        return (
            f"structured goes with {', '.join(BUILTIN_ARCHS)} only, not {arch}; take unstructured"
        )
    if pruning == "structured" and backbone == "vgg16":
        return (
            "structured does not go with vgg16, whose decoder unpools each channel by the pooling "
            "indices of the encoder; take unstructured, or another backbone"
        )
    return None


def stride_message(resolution: Resolution, output_stride: int) -> str | None:
    """Return why a resolution does not fit the output stride; None where it does."""
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
