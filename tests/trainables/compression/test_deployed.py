from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from search_spaces.config import TrialConfig
from trainables.compression.deployed import build_pruned, deploy, prune, stand_in
from trainables.compression.quantization import FrozenProgram
from trainables.compression.unstructured import sparsity
from trainables.models.build import build_model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


def config(**settings: object) -> TrialConfig:
    return TrialConfig.from_mapping(
        {"arch": "lraspp", "width": 0.5, "resolution": "32x64", **settings}
    )


def no_calibration() -> Iterable[Tensor]:
    pytest.fail("calibration images are for ptq_int8 only")


def shapes(model: nn.Module) -> list[torch.Size]:
    return [parameter.shape for parameter in model.parameters()]


def test_structured_pruning_gives_the_shapes_of_an_untrained_pruned_model() -> None:
    pruned = config(pruning="structured", pruning_ratio=0.5, pruning_importance="magnitude")
    model = build_model(pruned, 3)
    dense = shapes(model)
    prune(model, pruned)
    assert shapes(model) != dense
    assert shapes(model) == shapes(build_pruned(pruned, 3))
    with torch.device("meta"):
        assert shapes(build_pruned(pruned, 3)) == shapes(model)


def test_unstructured_pruning_is_permanent_in_the_deployed_model() -> None:
    pruned = config(pruning="unstructured", pruning_ratio=0.75)
    model = build_model(pruned, 3)
    prune(model, pruned)
    deployed = deploy(model.eval(), pruned, no_calibration)
    assert sparsity(deployed) == pytest.approx(0.75, abs=0.01)
    assert not [name for name, _ in deployed.named_buffers() if name.endswith("_mask")]


def test_a_model_without_compression_is_deployed_as_it_is() -> None:
    model = build_model(config(), 3).eval()
    prune(model, config())
    assert deploy(model, config(), no_calibration) is model


def test_a_half_precision_model_takes_and_returns_float32() -> None:
    model = deploy(build_model(config(), 3).eval(), config(quantization="fp16"), no_calibration)
    assert isinstance(model, FrozenProgram)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float16}
    assert model(torch.rand(2, 3, 32, 64)).dtype == torch.float32


def test_a_stand_in_is_the_same_each_time_and_has_finite_outputs() -> None:
    state = torch.get_rng_state()
    images = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first, second = (stand_in(config(), 3)(images) for _ in range(2))
    assert torch.equal(first, second)
    assert first.isfinite().all()
    assert torch.equal(torch.get_rng_state(), state)
