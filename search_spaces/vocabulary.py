"""The closed sets of names that a configuration is written in."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Arch: TypeAlias = Literal[
    "deeplabv3",
    "deeplabv3plus",
    "lraspp",
    "deconvnet",
    "smp/DeepLabV3Plus",
    "smp/FPN",
    "smp/Linknet",
    "smp/MAnet",
    "smp/PAN",
    "smp/PSPNet",
    "smp/Segformer",
    "smp/UPerNet",
    "smp/Unet",
    "smp/UnetPlusPlus",
]
TorchvisionBackbone: TypeAlias = Literal[
    "resnet50", "resnet18", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "vgg16"
]
Backbone: TypeAlias = str
"""A ``TorchvisionBackbone``, or for the architectures ``smp/...`` one of a further library too:
``timm/NAME`` or ``smp/NAME``."""
OptimizerName: TypeAlias = Literal["adamw", "sgd"]
ScheduleName: TypeAlias = Literal["constant", "step", "cosine", "poly"]
Quantization: TypeAlias = Literal["none", "fp16", "dynamic_int8", "ptq_int8", "qat_int8"]
Pruning: TypeAlias = Literal["none", "structured", "unstructured"]
PruningImportance: TypeAlias = Literal["magnitude", "taylor", "bn_scale"]
PruningWhen: TypeAlias = Literal["before", "halfway"]

ARCHS: tuple[str, ...] = get_args(Arch)
STRIDED_ARCHS: tuple[str, ...] = ("deeplabv3", "deeplabv3plus", "lraspp")
"""Architectures whose backbone is dilated to keep an output stride."""
OWN_ARCHS: tuple[str, ...] = (*STRIDED_ARCHS, "deconvnet")
"""Architectures that need no further library."""
BACKBONES: tuple[str, ...] = get_args(TorchvisionBackbone)
"""Backbones by their torchvision names."""
MOBILENETS: tuple[str, ...] = ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
"""Backbones with a width multiplier."""
BACKBONE_LIBRARIES: tuple[str, ...] = ("timm", "smp")
"""Libraries that a backbone ``LIBRARY/NAME`` may come from."""
FIXED_STRIDE = 32
"""Input side over the deepest map's where an architecture has no output stride to choose."""
SMALLEST_SIDES: dict[str, int] = {"smp/PAN": 128}
"""Least pixels of a side, where that is told: PAN halves a map at stride 16 three times."""
OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)
SCHEDULES: tuple[str, ...] = get_args(ScheduleName)
QUANTIZATIONS: tuple[str, ...] = get_args(Quantization)
PRUNINGS: tuple[str, ...] = get_args(Pruning)
PRUNING_IMPORTANCES: tuple[str, ...] = get_args(PruningImportance)
PRUNING_WHENS: tuple[str, ...] = get_args(PruningWhen)
OUTPUT_STRIDES: tuple[int, ...] = (8, 16, 32)
DECODER_CONVS: tuple[int, ...] = (1, 2)

IMPLEMENTED_QUANTIZATION: tuple[str, ...] = ("none", "fp16", "ptq_int8", "qat_int8")
"""Values of ``quantization`` that this version can run; int8 with dynamic ranges is for matrix
products, of which these networks have none."""
IMPLEMENTED_PRUNING: tuple[str, ...] = ("none", "structured", "unstructured")
"""Values of ``pruning`` that this version can run."""
