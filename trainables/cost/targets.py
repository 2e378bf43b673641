"""The quantizations and artifact formats that each target can run."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainables.config import ArtifactFormat, TargetConfig

RUNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "torch-cpu": ("none", "fp16"),
        "torch-cuda": ("none", "fp16"),
        "onnxruntime-cpu": ("none", "fp16", "ptq_int8", "qat_int8"),
        "executorch-xnnpack": ("none", "ptq_int8", "qat_int8"),
        "command": ("none", "fp16", "ptq_int8", "qat_int8"),
    }
)
"""Values of ``quantization`` by target.

PyTorch has no int8 kernels for an exported program. XNNPACK stores an fp16 program in 32 bits and
partitions it into 19 pieces, so it is neither smaller nor faster.
"""
_FORMATS: Mapping[str, ArtifactFormat] = MappingProxyType(
    {"onnxruntime-cpu": "onnx", "executorch-xnnpack": "pte"}
)


def artifact_format(target: TargetConfig) -> ArtifactFormat | None:
    """Return the format that ``target`` runs; None where it runs the module itself."""
    return target.artifact if target.name == "command" else _FORMATS.get(target.name)


def quantization_fault(target: TargetConfig, quantization: str) -> str | None:
    """Return why ``target`` cannot run a model of ``quantization``; None where it can."""
    if quantization in RUNS[target.name]:
        return None
    others = ", ".join(name for name, runs in RUNS.items() if quantization in runs) or "none"
    kind = "times float models only" if target.name.startswith("torch") else "cannot run it"
    return (
        f"quantization={quantization}: {target.name} {kind}; set target.name to one that can: "
        f"{others}"
    )
