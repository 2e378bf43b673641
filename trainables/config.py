"""Settings that are the same for all trials of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt, MinLen

PositiveInt: TypeAlias = Annotated[int, Ge(1)]
NonNegativeInt: TypeAlias = Annotated[int, Ge(0)]
PositiveFloat: TypeAlias = Annotated[float, Gt(0)]
NonEmptyStr: TypeAlias = Annotated[str, MinLen(1)]
Seed: TypeAlias = Annotated[int, Ge(0), Lt(2**32)]
"""The range of NumPy's seeds."""

DataFormat: TypeAlias = Literal["synthetic", "folder", "cityscapes", "voc", "ade20k"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
TargetName: TypeAlias = Literal[
    "torch-cpu", "torch-cuda", "onnxruntime-cpu", "executorch-xnnpack", "command"
]
ArtifactFormat: TypeAlias = Literal["pt2", "onnx", "pte"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Folder, layout and classes of the labelled images."""

    format: DataFormat = "synthetic"
    """Layout on disk; ``synthetic`` is generated into ``root`` if it is missing."""
    root: NonEmptyStr | None = None
    """Folder of the data set, or its address in an object store (``s3://BUCKET/FOLDER``); None only
    for ``synthetic``, which then lies in the cache folder."""
    train_split: NonEmptyStr = "train"
    """Name of the training split."""
    val_split: NonEmptyStr = "val"
    """Name of the validation split, on which objectives are measured."""
    test_split: NonEmptyStr | None = None
    """Name of the held-out split that the trials of the front are scored on once, at the end; None
    scores on none. ``cityscapes``: its own masks of ``test`` are not public, so masks of your own
    are needed; ``voc``: a list in ``ImageSets/Segmentation``; ``ade20k`` has none."""
    images: str = "images/{split}"
    """``folder`` only: folder of the images below ``root``."""
    masks: str = "masks/{split}"
    """``folder`` only: folder of the masks below ``root``, one per image, of the same stem, in any
    lossless format (PNG, TIFF, BMP...)."""
    class_names: tuple[str, ...] | None = None
    """Names of the classes in label order; None takes the layout's own (``folder`` needs them)."""
    ignore_index: Annotated[int, Ge(0), Le(255)] = 255
    """Label of pixels that count neither in the loss nor in a metric; where it is a position of
    ``class_names``, that name is no class, and the later ones move up by one."""
    class_colors: dict[str, str] | None = None
    """``folder`` only: colour of every class, ``[R, G, B]`` or ``"#rrggbb"``, where masks hold
    colours; ``void`` names one that is ignored. None: masks hold labels, palettes by index."""
    max_image_pixels: PositiveInt | None = None
    """Largest image that is decoded, pixels; None: what the available memory allows."""
    max_train_images: PositiveInt | None = None
    """Use only the first so many training images; None for all."""
    max_val_images: PositiveInt | None = None
    """Use only the first so many validation images; None for all."""
    max_test_images: PositiveInt | None = None
    """Use only the first so many test images; None for all."""
    synthetic_train_images: PositiveInt = 128
    """``synthetic`` only: training images to generate."""
    synthetic_val_images: PositiveInt = 48
    """``synthetic`` only: validation images to generate."""
    synthetic_test_images: PositiveInt = 48
    """``synthetic`` only: test images to generate where ``test_split`` is set."""
    synthetic_seed: NonNegativeInt = 0
    """``synthetic`` only: seed of the generator; the same seed gives the same bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """Training settings of every trial."""

    seed: Seed = 0
    """Seed of the sweep; each trial derives its own from it and its number."""
    precision: Precision = "auto"
    """Autocast type on GPUs (auto: bf16 where supported, else fp16); CPUs always train in fp32."""
    tf32: bool = False
    """Let GPUs round the float32 inputs of convolutions and matrix products to 10 bits of mantissa
    (TF32): faster, less exact; not measured yet."""
    cudnn_benchmark: bool = False
    """Let cuDNN time its kernels for each shape and take the fastest; not measured yet."""
    channels_last: bool = True
    """Keep tensors in NHWC memory order (a quarter faster on the CPU)."""
    early_stopping_epochs: PositiveInt | None = None
    """Stop after so many epochs without a better mIoU; None never stops early."""
    vertical_flips: bool = False
    """Mirror one of two training images upside down too, as part of the random transforms (not at
    ``augmentation`` 0); street scenes do not stand on their heads."""
    gradient_clip: PositiveFloat | None = None
    """Largest norm of the gradient; None does not clip."""
    loader_workers: NonNegativeInt = 0
    """Data-loading processes per train worker; 0 reads the memory map in the worker."""
    resident_mb: NonNegativeInt = 1024
    """GPU memory for decoded images, MiB per train worker: a split that fits is copied there once,
    and ``loader_workers`` read the others; 0 keeps none."""
    threads: PositiveInt | None = None
    """Torch threads per train worker; None takes the worker's CPU share."""
    eval_resolution: str | None = None
    """HEIGHTxWIDTH of the validation masks, so that models of different resolutions are scored on
    equal ground (their logits are interpolated to it); None takes each trial's own."""
    weights: NonEmptyStr = "none"
    """Where backbones come from: ``none`` starts from scratch, ``torchvision`` downloads ImageNet
    weights once, anything else is a local file with them, or a folder of such files named after
    their backbones (``mobilenet_v2.pth``)."""
    sample_images: NonNegativeInt = 4
    """Validation images whose prediction is logged as a picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherConfig:
    """The model from which students are distilled."""

    checkpoint: NonEmptyStr | None = None
    """A teacher trained before (a file ``segsweep teacher train`` wrote); None trains one first."""
    arch: str = "deeplabv3"
    """Architecture of a teacher that is trained."""
    backbone: str = "resnet50"
    """Backbone of a teacher that is trained."""
    output_stride: int = 16
    """Output stride of a teacher that is trained: 8, 16 or 32; of no meaning where the architecture
    has none to choose."""
    resolution: str | None = None
    """HEIGHTxWIDTH the teacher sees; None takes the largest resolution of the space."""
    epochs: PositiveInt = 30
    """Epochs of training."""
    batch_size: PositiveInt = 8
    """Images per step."""
    learning_rate: PositiveFloat = 1e-3
    """Initial learning rate (AdamW, poly schedule)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetConfig:
    """The target and the protocol of latency measurements."""

    name: TargetName = "torch-cpu"
    """Runtime and device."""
    threads: PositiveInt = 1
    """Threads of the runtime."""
    warmup: NonNegativeInt = 3
    """Forward passes before timing."""
    repeats: PositiveInt = 15
    """Timed forward passes of a round; a round of long passes ends after a second."""
    rounds: PositiveInt = 8
    """Most rounds; timing ends earlier when the interval of the median is within 2 %."""
    seconds: PositiveFloat = 10.0
    """Time budget of a measurement, seconds; no round begins after it."""
    batch_size: PositiveInt = 1
    """Images per forward pass."""
    command: str | None = None
    """``command`` only: the program that times an artifact and prints milliseconds, a line for each
    pass; ``{artifact}`` and other placeholders are filled in, there is no shell."""
    artifact: ArtifactFormat = "pte"
    """``command`` only: format of the artifact that the program is given."""
