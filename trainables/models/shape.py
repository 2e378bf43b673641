"""The dimensions of a configuration that its cost depends on."""

from __future__ import annotations

import json

from search_spaces.config import COMMON, TrialConfig

SHAPING_FIELDS = (
    "arch",
    "backbone",
    "last_expansion",
    "width",
    "output_stride",
    "decoder_convs",
    "resolution",
    "quantization",
    "pruning",
    "pruning_ratio",
)
"""Dimensions that latency depends on; those of the training are not among them."""
INT8 = ("ptq_int8", "qat_int8")
"""Values of ``quantization`` whose artifacts compute with 8-bit integers."""


def cost_shape(config: TrialConfig) -> dict[str, object]:
    """Return JSON values that are equal for configurations of equal cost.

    The cost of int8 models does not depend on how they were calibrated, and that of dense models
    not on which weights are 0.
    """
    shape = {name: getattr(config, name) for name in SHAPING_FIELDS}
    shape["resolution"] = str(config.resolution)
    if config.quantization in INT8:
        shape["quantization"] = "int8"
    if config.pruning != "structured":
        shape |= {"pruning": "none", "pruning_ratio": None}
    return shape


def shape_key(config: TrialConfig) -> str:
    """Return the shape as a line of text."""
    return json.dumps(cost_shape(config), sort_keys=True, separators=(",", ":"))


def dense_architecture(config: TrialConfig) -> TrialConfig:
    """Return ``config`` with only the dimensions that define the shapes of the dense weights."""
    return TrialConfig(
        arch=config.arch,
        backbone=config.backbone,
        last_expansion=config.last_expansion,
        width=config.width,
        output_stride=config.output_stride,
        decoder_convs=config.decoder_convs,
        resolution=COMMON,
    )
