"""One configuration of the segmentation space as a typed value."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.domains import Value

Arch: TypeAlias = Literal["deeplabv3", "deeplabv3plus"]
Backbone: TypeAlias = Literal[
    "resnet50", "resnet18", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"
]
OptimizerName: TypeAlias = Literal["adamw", "sgd"]
ScheduleName: TypeAlias = Literal["constant", "step", "cosine", "poly"]
Quantization: TypeAlias = Literal["none", "fp16", "dynamic_int8", "ptq_int8", "qat_int8"]
Pruning: TypeAlias = Literal["none", "structured", "unstructured"]

ARCHS: tuple[str, ...] = get_args(Arch)
BACKBONES: tuple[str, ...] = get_args(Backbone)


@dataclass(frozen=True, slots=True)
class Resolution:
    """Height and width in pixels of the images a model is trained, scored and timed on."""

    height: int
    width: int

    def __post_init__(self) -> None:
        """Refuse a side that is not a positive number of pixels."""
        if not (self.height > 0 and self.width > 0):
            raise ValueError(f"a resolution needs positive sides, got {self.height}x{self.width}")

    @classmethod
    def parse(cls, value: object) -> Resolution:
        """Read ``224`` or ``"224"`` (a square), ``"96x128"`` or ``[96, 128]`` (height, width).

        Raises:
            ValueError: ``value`` is none of these.
        """
        if isinstance(value, Resolution):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return cls(value, value)
        if isinstance(value, list | tuple) and len(value) == 2:
            value = f"{value[0]}x{value[1]}"
        match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", value) if isinstance(value, str) else None
        if match is None:
            raise ValueError(
                f"{value!r} is no resolution; give HEIGHTxWIDTH such as 96x128, or one number"
            )
        return cls(int(match[1]), int(match[2] or match[1]))

    def __str__(self) -> str:
        """Return ``HEIGHTxWIDTH``, the form ``parse`` reads."""
        return f"{self.height}x{self.width}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialConfig:
    """Everything a trial's result depends on besides data, seed and length of training.

    Dimensions that are not active in a configuration hold None.
    """

    arch: Arch = "deeplabv3plus"
    """Segmentation architecture."""
    backbone: Backbone = "mobilenet_v3_small"
    """Feature extractor, by its torchvision name."""
    last_expansion: bool | None = None
    """Keep MobileNetV3's last 1x1 expansion layer; None for backbones that have none."""
    output_stride: int = 16
    """Input side over the side of the deepest feature map: 8, 16 or 32."""
    decoder_convs: int | None = None
    """Number of 3x3 convolutions in the DeepLabv3+ decoder, 1 or 2; None elsewhere."""
    resolution: Resolution = Resolution(96, 128)
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
    pruning_importance: Literal["magnitude", "taylor", "bn_scale"] | None = None
    """What decides which channels go; None unless ``pruning`` is structured."""
    pruning_when: Literal["before", "halfway"] | None = None
    """When pruning happens in the training; None where ``pruning`` is none."""

    @classmethod
    def from_mapping(cls, config: Mapping[str, Value]) -> TrialConfig:
        """Build the typed value from a point of a search space.

        Raises:
            ValueError: a name is unknown or a value impossible; all faults in one message.
        """
        found = config_faults(config)
        if found:
            raise ValueError("; ".join(found))
        values: dict[str, object] = dict(config)
        if "resolution" in values:
            values["resolution"] = Resolution.parse(values["resolution"])
        return cls(**values)  # type: ignore[arg-type]

    def to_mapping(self) -> dict[str, Value]:
        """Return the active dimensions as JSON scalars, the form ``from_mapping`` reads."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        values["resolution"] = str(self.resolution)
        return values


FIELD_NAMES: tuple[str, ...] = tuple(field.name for field in fields(TrialConfig))


def config_faults(config: Mapping[str, object]) -> list[str]:
    """Return every fault of ``config`` as ``name: what is wrong``; empty for a sound one."""
    raise NotImplementedError
