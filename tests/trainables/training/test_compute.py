from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest
import torch
from torch import nn

from trainables.config import Precision, TrainingConfig
from trainables.training.compute import Compute, autocast_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", get_args(Precision))
def test_cpus_train_in_float32(precision: Precision) -> None:
    compute = Compute.of(CPU, TrainingConfig(precision=precision))
    assert compute.dtype is None
    with compute.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    assert not compute.grad_scaler().is_enabled()


def test_gpus_train_in_the_type_asked_for() -> None:
    gpu = torch.device("cuda")
    assert autocast_dtype("fp32", gpu) is None
    assert autocast_dtype("fp16", gpu) is torch.float16
    assert autocast_dtype("bf16", gpu) is torch.bfloat16


@pytest.fixture
def restored_math() -> Iterator[None]:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark)
    yield
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


@pytest.mark.usefixtures("restored_math")
@pytest.mark.parametrize("enabled", [True, False])
def test_the_process_follows_the_settings_of_gpu_math(enabled: bool) -> None:  # noqa: FBT001
    for settings in (enabled, not enabled):
        Compute.of(CPU, TrainingConfig(tf32=settings, cudnn_benchmark=settings))
        assert torch.backends.cuda.matmul.allow_tf32 is settings
        assert torch.backends.cudnn.allow_tf32 is settings
        assert torch.backends.cudnn.benchmark is settings


@pytest.mark.parametrize("channels_last", [True, False])
def test_models_and_images_are_laid_out_alike(channels_last: bool) -> None:  # noqa: FBT001
    compute = Compute.of(CPU, TrainingConfig(channels_last=channels_last))
    batch = {
        "image": torch.zeros(2, 4, 5, 3, dtype=torch.uint8),
        "mask": torch.zeros(2, 4, 5, dtype=torch.uint8),
    }
    inputs = compute.inputs(batch)
    image = inputs["image"]
    assert image.shape == (2, 3, 4, 5)
    kernel = next(compute.place(nn.Conv2d(3, 4, 3)).parameters())
    for tensor in (image, kernel):
        assert tensor.is_contiguous(memory_format=torch.channels_last) is channels_last
    assert inputs["mask"].shape == (2, 4, 5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_picks_a_type_and_computes_in_it() -> None:
    gpu = torch.device("cuda")
    compute = Compute.of(gpu, TrainingConfig())
    with compute.autocast():
        product = torch.ones(2, 2, device=gpu) @ torch.ones(2, 2, device=gpu)
    assert product.dtype is compute.dtype
