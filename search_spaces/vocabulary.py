"""The closed sets of names that a configuration is written in."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Arch: TypeAlias = Literal["deeplabv3", "deeplabv3plus"]
Backbone: TypeAlias = Literal[
    "resnet50", "resnet18", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"
]
OptimizerName: TypeAlias = Literal["adamw", "sgd"]
ScheduleName: TypeAlias = Literal["constant", "step", "cosine", "poly"]
Quantization: TypeAlias = Literal["none", "fp16", "dynamic_int8", "ptq_int8", "qat_int8"]
Pruning: TypeAlias = Literal["none", "structured", "unstructured"]
PruningImportance: TypeAlias = Literal["magnitude", "taylor", "bn_scale"]
PruningWhen: TypeAlias = Literal["before", "halfway"]

ARCHS: tuple[str, ...] = get_args(Arch)
BACKBONES: tuple[str, ...] = get_args(Backbone)
OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)
SCHEDULES: tuple[str, ...] = get_args(ScheduleName)
QUANTIZATIONS: tuple[str, ...] = get_args(Quantization)
PRUNINGS: tuple[str, ...] = get_args(Pruning)
PRUNING_IMPORTANCES: tuple[str, ...] = get_args(PruningImportance)
PRUNING_WHENS: tuple[str, ...] = get_args(PruningWhen)
OUTPUT_STRIDES: tuple[int, ...] = (8, 16, 32)
DECODER_CONVS: tuple[int, ...] = (1, 2)

IMPLEMENTED_QUANTIZATION: tuple[str, ...] = ("none",)
"""Values of ``quantization`` that this version can run."""
IMPLEMENTED_PRUNING: tuple[str, ...] = ("none",)
"""Values of ``pruning`` that this version can run."""
