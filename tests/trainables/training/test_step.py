from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from search_spaces.config import TrialConfig
from trainables.session.memory import DoesNotFitError
from trainables.session.ranks import Ranks
from trainables.training.compute import Compute
from trainables.training.step import TrainStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.data.transforms import Batch


class Limited(nn.Module):
    """Runs out of memory for more than ``limit`` images at a time, as a small GPU would."""

    def __init__(self, inner: nn.Module, limit: int) -> None:
        super().__init__()
        self.inner = inner
        self.limit = limit
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        if len(images) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        logits: Tensor = self.inner(images)
        return logits


def make_step(model: nn.Module, *, clip: float | None = None, **values: Any) -> TrainStep:
    config = TrialConfig.from_mapping({"learning_rate": 0.1, **values})
    return TrainStep(
        model,
        config,
        compute=Compute(device=torch.device("cpu")),
        ranks=Ranks(0, 1),
        steps_per_epoch=4,
        epochs=2,
        gradient_clip=clip,
    )


def make_batch(*, soft: bool = False) -> tuple[Batch, Tensor]:
    """Return six images, of which the first has few valid pixels, and the number of valid ones."""
    generator = torch.Generator().manual_seed(2)
    masks = torch.randint(0, 3, (6, 8, 12), generator=generator)
    masks[0, 2:] = 255
    batch = {"image": torch.randn(6, 3, 8, 12, generator=generator), "mask": masks}
    if soft:
        batch["soft"] = torch.randn(6, 3, 4, 6, generator=generator).half()
    return batch, (masks != 255).sum()


def parameters(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("soft", [False, True])
def test_micro_batches_take_the_step_of_the_whole_batch(
    tiny_net: Callable[..., nn.Module],
    soft: bool,  # noqa: FBT001
) -> None:
    values: dict[str, Any] = {"distill_alpha": 0.5, "temperature": 2.0} if soft else {}
    batch, valid = make_batch(soft=soft)
    whole = make_step(tiny_net(norm=False), **values)
    parts = make_step(tiny_net(norm=False), **values)
    parts.micro.parts = 4
    losses = [step(batch, valid) for step in (whole, parts)]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-5)
    assert torch.allclose(parameters(whole.model), parameters(parts.model), atol=1e-5)


def test_a_step_that_runs_out_of_memory_is_taken_in_parts(
    tiny_net: Callable[..., nn.Module],
) -> None:
    batch, valid = make_batch()
    whole = make_step(tiny_net(norm=False))
    limited = Limited(tiny_net(norm=False), limit=2)
    halved = make_step(limited)
    for step in (whole, halved):
        step(batch, valid)
    # 6 and 3 are too many at a time, parts of at most 2 are not; the second step knows.
    assert limited.sizes == [6, 3, 2, 2, 1, 1]
    assert halved.micro.parts == 4
    assert torch.allclose(parameters(whole.model), parameters(halved.model), atol=1e-5)
    halved(batch, valid)
    assert limited.sizes[6:] == [2, 2, 1, 1]


def test_an_image_that_does_not_fit_alone_ends_the_training(
    tiny_net: Callable[..., nn.Module],
) -> None:
    batch, valid = make_batch()
    with pytest.raises(DoesNotFitError):
        make_step(Limited(tiny_net(), limit=0))(batch, valid)


def test_a_rehearsal_finds_the_parts_and_changes_nothing(
    tiny_net: Callable[..., nn.Module],
) -> None:
    batch, _ = make_batch()
    model = Limited(tiny_net(), limit=3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step = make_step(model)
    step.rehearse(batch, torch.tensor(1.0))
    assert step.micro.parts == 2
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_batch_without_a_valid_pixel_changes_nothing(tiny_net: Callable[..., nn.Module]) -> None:
    batch, _ = make_batch()
    batch["mask"] = torch.full_like(batch["mask"], 255)
    step = make_step(tiny_net(norm=False), optimizer="sgd", momentum=0.0, weight_decay=0.0)
    before = parameters(step.model)
    assert float(step(batch, torch.tensor(0))) == 0
    assert torch.equal(parameters(step.model), before)


def test_the_gradient_is_clipped_to_its_norm(tiny_net: Callable[..., nn.Module]) -> None:
    batch, valid = make_batch()
    values = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"}
    step = make_step(tiny_net(), clip=0.01, **values)
    before = parameters(step.model)
    step(batch, valid)
    moved = float((parameters(step.model) - before).norm())
    assert moved == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_a_state_without_scaling_resumes_where_losses_are_scaled(
    tiny_net: Callable[..., nn.Module],
) -> None:
    saved, resumed = make_step(tiny_net()), make_step(tiny_net())
    resumed._scaler = torch.amp.GradScaler("cpu", init_scale=4.0)  # a GPU without bfloat16
    state = saved.state_dict()
    assert state["scaler"] == {}
    resumed.load_state_dict(state)
    assert resumed._scaler.get_scale() == 4.0


def test_a_restored_step_continues_bit_by_bit(tiny_net: Callable[..., nn.Module]) -> None:
    batch, valid = make_batch()
    first = make_step(tiny_net(norm=False))
    first(batch, valid)
    second = make_step(tiny_net(norm=False))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert second.learning_rate == first.learning_rate < 0.1
    for step in (first, second):
        step(batch, valid)
    assert torch.equal(parameters(first.model), parameters(second.model))
