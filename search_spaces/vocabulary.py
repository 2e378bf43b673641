"""Names that a configuration may have."""

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
"""A ``TorchvisionBackbone``; for ``smp/...`` architectures also ``timm/NAME`` or ``smp/NAME``."""
OptimizerName: TypeAlias = Literal["adamw", "sgd"]
ScheduleName: TypeAlias = Literal["constant", "step", "cosine", "poly"]
Quantization: TypeAlias = Literal["none", "fp16", "dynamic_int8", "ptq_int8", "qat_int8"]
Pruning: TypeAlias = Literal["none", "structured", "unstructured"]
PruningImportance: TypeAlias = Literal["magnitude", "taylor", "bn_scale"]
PruningWhen: TypeAlias = Literal["before", "halfway"]

ARCHS: tuple[str, ...] = get_args(Arch)
STRIDED_ARCHS: tuple[str, ...] = ("deeplabv3", "deeplabv3plus", "lraspp")
"""Architectures whose backbone is dilated to keep an output stride."""
BUILTIN_ARCHS: tuple[str, ...] = (*STRIDED_ARCHS, "deconvnet")
"""Architectures built by this package, without a further library."""
BACKBONES: tuple[str, ...] = get_args(TorchvisionBackbone)
"""Backbones by their torchvision names."""
MOBILENETS: tuple[str, ...] = ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
"""Backbones with a width multiplier."""
BACKBONE_LIBRARIES: tuple[str, ...] = ("timm", "smp")
"""Libraries that a backbone ``LIBRARY/NAME`` may come from."""
FIXED_STRIDE = 32
"""Output stride of architectures that do not let it be chosen."""
SMALLEST_SIDES: dict[str, int] = {"smp/PAN": 128}
"""Smallest side in pixels, for architectures with a limit. PAN halves a map of stride 16 three
times, which takes 128 pixels."""
OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)
SCHEDULES: tuple[str, ...] = get_args(ScheduleName)
QUANTIZATIONS: tuple[str, ...] = get_args(Quantization)
PRUNINGS: tuple[str, ...] = get_args(Pruning)
PRUNING_IMPORTANCES: tuple[str, ...] = get_args(PruningImportance)
PRUNING_WHENS: tuple[str, ...] = get_args(PruningWhen)
OUTPUT_STRIDES: tuple[int, ...] = (8, 16, 32)
DECODER_CONVS: tuple[int, ...] = (1, 2)

IMPLEMENTED_QUANTIZATION: tuple[str, ...] = ("none", "fp16", "ptq_int8", "qat_int8")
"""Values of ``quantization`` that this version implements. Dynamic int8 quantizes matrix products,
of which these networks have none."""
IMPLEMENTED_PRUNING: tuple[str, ...] = ("none", "structured", "unstructured")
"""Values of ``pruning`` that this version implements."""
