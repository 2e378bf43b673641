"""Library networks are pruned, quantized and exported as ours are, or refused with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from search_spaces.config import TrialConfig
from trainables.compression import deployed
from trainables.compression.deployed import build_pruned, prune, stand_in
from trainables.compression.unstructured import bake_masks
from trainables.cost.macs import static_costs
from trainables.formats.artifact import write_artifact
from trainables.formats.runtimes.base import ArtifactError
from trainables.formats.runtimes.registry import open_artifact

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NETWORKS = [("smp/Unet", "timm/resnet10t"), ("smp/Segformer", "smp/mit_b0")]
CASES = [
    (*NETWORKS[0], "none", "onnx"),
    (*NETWORKS[0], "ptq_int8", "onnx"),
    (*NETWORKS[0], "ptq_int8", "pte"),
    (*NETWORKS[1], "none", "pt2"),
    (*NETWORKS[1], "fp16", "onnx"),
    (*NETWORKS[1], "ptq_int8", "pt2"),  # ONNX Runtime 1.31 cannot load its int8 file
    (*NETWORKS[1], "none", "pte"),
]


@pytest.fixture(autouse=True)
def library() -> None:
    """Skip where the library is missing; importing it takes seconds."""
    pytest.importorskip("segmentation_models_pytorch", reason="an optional library")


def config(arch: str, backbone: str, **other: object) -> TrialConfig:
    values = {"arch": arch, "backbone": backbone, "resolution": "32x64", **other}
    return TrialConfig.from_mapping(values)


@pytest.mark.parametrize(("arch", "backbone", "quantization", "suffix"), CASES)
def test_every_runtime_computes_what_the_model_does(
    arch: str, backbone: str, quantization: str, suffix: str, tmp_path: Path
) -> None:
    wanted = config(arch, backbone, quantization=quantization)
    model, path = stand_in(wanted, 4), tmp_path / f"model.{suffix}"
    write_artifact(model, wanted.resolution, path)
    image = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, output = model(image), open_artifact(path)(image)
    assert output.shape == expected.shape == (1, 4, 32, 64)
    # Int8 kernels round otherwise here and there, which an untrained decoder makes more of.
    error, largest = (output - expected).abs(), float(expected.abs().max())
    worst = float(error.mean() if quantization == "ptq_int8" else error.max())
    assert worst <= 0.02 * largest


@pytest.mark.parametrize(("arch", "backbone"), NETWORKS)
def test_single_weights_go_and_channels_are_refused(arch: str, backbone: str) -> None:
    wanted = config(arch, backbone, pruning="unstructured", pruning_ratio=0.75)
    model = build_pruned(wanted, 4)
    prune(model, wanted)
    bake_masks(model)
    weights = [
        module.weight
        for module in model.modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
    ]
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    assert zeros / sum(weight.numel() for weight in weights) == pytest.approx(0.75, abs=0.02)
    costs = static_costs(wanted, 4)
    assert costs["macs"] == static_costs(config(arch, backbone), 4)["macs"]
    with pytest.raises(ValueError, match=r"structured goes with .* only, not smp/"):
        config(arch, backbone, pruning="structured")


DEEP = TrialConfig.from_mapping(
    {"arch": "smp/MAnet", "resolution": "32x32", "quantization": "ptq_int8"}
)


@pytest.mark.long
def test_xnnpack_accepts_scales_from_enough_pixels(tmp_path: Path) -> None:
    path = tmp_path / "sound.pte"
    write_artifact(stand_in(DEEP, 4), DEEP.resolution, path)
    assert open_artifact(path)(torch.rand(1, 3, 32, 32)).shape == (1, 4, 32, 32)


@pytest.mark.long
def test_xnnpack_rejects_scales_from_too_few_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployed, "STAND_IN_PIXELS", 0)
    write_artifact(stand_in(DEEP, 4), DEEP.resolution, tmp_path / "refused.pte")
    with pytest.raises(ArtifactError, match=r"XNNPACK rejects it.*unsupported_parameter"):
        open_artifact(tmp_path / "refused.pte")
