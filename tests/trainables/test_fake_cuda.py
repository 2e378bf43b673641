"""Training, scoring, compression and resuming on a fake GPU: devices and synchronizations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from search_spaces.config import TrialConfig
from search_spaces.vocabulary import ARCHS, BUILTIN_ARCHS, OPTIMIZERS, SMALLEST_SIDES
from tests.trainables.fake_cuda import CUDA, USABLE, HostSyncs, devices, fake_cuda
from trainables.compression.deployed import deploy
from trainables.compression.stages import Stage
from trainables.config import TrainingConfig
from trainables.data.transforms import DRAWS, RandomTransform, normalized
from trainables.models.build import build_model
from trainables.session.local import LocalSession
from trainables.session.ranks import Ranks
from trainables.training import compressing
from trainables.training.compute import Compute
from trainables.training.evaluation import evaluate
from trainables.training.metrics import IGNORE_INDEX
from trainables.training.step import TrainStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.data.transforms import Batch

CLASSES = 19
LONG = (pytest.mark.slow, pytest.mark.long)
MARKS = {"lraspp": (), "deconvnet": (pytest.mark.slow,), "smp/FPN": (pytest.mark.slow,)}
EVERY = [pytest.param(arch, marks=MARKS.get(arch, LONG)) for arch in ARCHS]
QUANTIZED = [  # the export of the others takes over a minute
    pytest.param(arch, marks=pytest.mark.slow if arch == "deconvnet" else LONG) for arch in ARCHS
]
pytestmark = pytest.mark.skipif(not USABLE, reason="needs a torch built for CUDA, and no GPU")


def config_of(arch: str, **values: Any) -> TrialConfig:
    side = SMALLEST_SIDES.get(arch, 64)
    network: dict[str, Any] = {"arch": arch, "backbone": "mobilenet_v3_small"}
    if arch in BUILTIN_ARCHS:
        network["width"] = 0.35
    return TrialConfig.from_mapping({**network, "resolution": f"{side}x{side}", **values})


def batch_of(config: TrialConfig, *, soft: bool = False) -> Batch:
    """Return two real images on the CPU with their random transforms, as a loader does."""
    shape = (2, config.resolution.height, config.resolution.width)
    batch = {
        "image": torch.randint(0, 256, (*shape, 3), dtype=torch.uint8),
        "mask": torch.randint(0, CLASSES, shape, dtype=torch.uint8),
    }
    uniforms = np.random.default_rng(0).random((2, DRAWS), dtype=np.float32)
    batch |= RandomTransform.of(0.5, config.resolution).parameters(uniforms)
    if soft:
        batch["soft"] = torch.randn(2, CLASSES, shape[1] // 8, shape[2] // 8).half()
    return batch


def step_of(
    model: nn.Module, config: TrialConfig, compute: Compute, clip: float | None = None
) -> TrainStep:
    return TrainStep(
        model,
        config,
        compute=compute,
        ranks=Ranks(0, 1),
        steps_per_epoch=4,
        epochs=2,
        gradient_clip=clip,
    )


def train(step: TrainStep, compute: Compute, batch: Batch, steps: int = 1) -> None:
    """Train on ``batch`` as the trainer does."""
    for _ in range(steps):
        inputs = compute.inputs(batch)
        step(inputs, (inputs["mask"] != IGNORE_INDEX).sum())


def syncs_of(work: Callable[[], object]) -> list[str]:
    syncs = HostSyncs()
    with syncs:
        work()
    return syncs.found


def scored(model: nn.Module, compute: Compute, batches: list[Batch]) -> object:
    return evaluate(
        model,
        batches,  # type: ignore[arg-type]
        CLASSES,
        compute=compute,
        session=LocalSession(),
        ranks=Ranks(0, 1),
        with_thresholds=True,
    )


class Faulty(nn.Module):
    """A convolution whose forward pass has a fault."""

    def __init__(self, fault: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.layer, self.fault = nn.Conv2d(3, CLASSES, 1), fault

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layer(images)
        self.fault(logits.detach())
        return logits


@pytest.mark.parametrize("arch", EVERY)
def test_no_train_step_synchronizes_and_a_validation_does_once(arch: str) -> None:
    distilled = {"distill_alpha": 0.5, "temperature": 2.0}
    plain = config_of(arch)
    real = {soft: batch_of(plain, soft=soft) for soft in (False, True)}
    with fake_cuda():
        compute = Compute.of(CUDA, TrainingConfig())
        assert compute.dtype is torch.bfloat16
        model = compute.place(build_model(plain, CLASSES))
        for values, clip in (({}, None), (distilled, None), ({}, 1.0)):
            model.train()
            step = step_of(model, config_of(arch, **values), compute, clip)
            batch = real[bool(values)]
            assert syncs_of(lambda: train(step, compute, batch, 2)) == []  # noqa: B023 - called at once
        for count in (1, 2):
            found = syncs_of(lambda: scored(model, compute, [real[False]] * count))  # noqa: B023 - called at once
            assert len(found) == 1, found
            assert found[0].startswith("_to_copy at trainables/training/metrics.py")
        assert devices(model.state_dict().values()) == {"cuda"}


@pytest.mark.parametrize("arch", EVERY)
def test_a_resumed_state_is_on_the_device(arch: str) -> None:
    config = config_of(arch)
    batch = batch_of(config)
    with fake_cuda():
        compute = Compute.of(CUDA, TrainingConfig())
        first, second = (
            step_of(compute.place(build_model(config, CLASSES)).train(), config, compute)
            for _ in range(2)
        )
        train(first, compute, batch)
        saved, ranks_own = first.state_dict(), first.rank_state()
        assert devices(ranks_own["buffers"].values()) == {"cpu"}
        second.load_state_dict(tree_map_only(Tensor, Tensor.cpu, saved))  # as read from a file
        second.load_rank_state(ranks_own)
        assert syncs_of(lambda: train(second, compute, batch)) == []
        moments = second.state_dict()["optimizer"]["state"].values()
        assert devices(each["exp_avg"] for each in moments) == {"cuda"}
        assert devices(second.model.state_dict().values()) == {"cuda"}


@pytest.mark.parametrize("quantization", ["qat_int8", "ptq_int8", "fp16"])
@pytest.mark.parametrize("arch", QUANTIZED)
def test_a_quantized_model_trains_deploys_and_predicts_on_the_device(
    arch: str, quantization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(arch, quantization=quantization)
    batch = batch_of(config)
    images = normalized(batch["image"]).contiguous()
    monkeypatch.setattr(compressing, "calibration_batches", lambda _: [images])
    with fake_cuda():
        compute = Compute.of(CUDA, TrainingConfig())
        model: nn.Module = compute.place(build_model(config, CLASSES))
        if quantization == "qat_int8":
            stage = Stage("quantize", 1)
            model = compressing.change_model(stage, model, config, Any, compute)  # type: ignore[arg-type]
            model = compute.place(model)
            step = step_of(model.train(), config, compute)
            assert syncs_of(lambda: train(step, compute, batch, 2)) == []
        scored(model, compute, [batch])
        deployed = deploy(model.cpu().eval(), config, lambda: [images])
        assert devices(deployed.state_dict().values()) == {"cpu"}
        deployed = compute.place(deployed)
        assert devices(deployed.state_dict().values()) == {"cuda"}
        scored(deployed, compute, [batch])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("clip", [None, 1.0])
def test_no_float16_step_synchronizes(optimizer: str, clip: float | None) -> None:
    config = config_of("lraspp", optimizer=optimizer)
    batch = batch_of(config)
    with fake_cuda(bf16=False):
        compute = Compute.of(CUDA, TrainingConfig())
        assert compute.grad_scaler().is_enabled()
        step = step_of(compute.place(Faulty(lambda _: None)), config, compute, clip)
        assert syncs_of(lambda: train(step, compute, batch, 2)) == []


def faulty_step(fault: Callable[[Tensor], object]) -> list[str]:
    config = config_of("lraspp")
    batch = batch_of(config)
    with fake_cuda():
        compute = Compute.of(CUDA, TrainingConfig())
        step = step_of(compute.place(Faulty(fault)), config, compute)
        return syncs_of(lambda: train(step, compute, batch))


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("_local_scalar_dense", lambda logits: logits.mean().item()),
        ("_local_scalar_dense", lambda logits: bool(logits.isfinite().all())),
        ("nonzero", lambda logits: logits.nonzero()),
        ("bincount", lambda logits: logits.argmax(1).flatten().bincount(minlength=CLASSES)),
        ("_to_copy", lambda logits: logits.cpu()),
        ("_to_copy", lambda logits: torch.tensor([0.5, 0.6], device=logits.device)),
        ("copy_", lambda logits: torch.zeros(2, CLASSES, 64, 64).copy_(logits)),
    ],
)
def test_an_injected_synchronization_is_found(
    operation: str, fault: Callable[[Tensor], object]
) -> None:
    (found,) = faulty_step(fault)
    assert found.startswith(f"{operation} at tests/trainables/test_fake_cuda.py:")


@pytest.mark.parametrize(
    "fault",
    [
        lambda logits: logits + torch.zeros(CLASSES, 1, 1),
        lambda logits: torch.where(torch.ones(64, 64) > 0, logits, 0.0),
        lambda logits: torch.bucketize(logits.amax(1), torch.tensor([0.5, 0.6])),
    ],
)
def test_an_injected_tensor_of_the_host_raises(fault: Callable[[Tensor], object]) -> None:
    with pytest.raises(RuntimeError, match=r"device"):
        faulty_step(fault)


def test_an_asynchronous_copy_is_no_synchronization() -> None:
    assert faulty_step(lambda logits: torch.zeros(3).to(logits.device, non_blocking=True)) == []
    assert faulty_step(lambda _: None) == []
