from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from search_spaces.resolution import Resolution
from trainables.data.dataset import build_datasets
from trainables.session.local import LocalSession
from trainables.session.ranks import Ranks
from trainables.training.batches import OrderedBatches, make_loader
from trainables.training.compute import Compute
from trainables.training.evaluation import TrialStoppedError, evaluate
from trainables.training.finite import NotFiniteError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainables.config import DataConfig
    from trainables.training.metrics import Scores

CPU = torch.device("cpu")


class Oracle(nn.Module):
    """Tells the classes of the tiny data set by their colours."""

    def forward(self, images: Tensor) -> Tensor:
        redness = images[:, 0] - images[:, 2]
        return torch.stack([-10 * (redness - hue).abs() for hue in (-0.3, 2.4, -3.3)], dim=1)


@pytest.fixture
def scores(tiny_data: DataConfig, tiny_cache: Path) -> Callable[..., Scores]:
    def run(
        model: nn.Module, *, session: LocalSession | None = None, masks: Resolution | None = None
    ) -> Scores:
        size = Resolution(32, 48)
        _, val = build_datasets(tiny_data, size, tiny_cache, mask_resolution=masks)
        return evaluate(
            model,
            make_loader(val, OrderedBatches(len(val)), workers=0, device=CPU),
            val.num_classes,
            compute=Compute(device=CPU),
            session=session or LocalSession(),
            ranks=Ranks(0, 1),
            with_thresholds=True,
        )

    return run


def test_a_trained_model_scores_high_and_a_random_one_low(
    scores: Callable[..., Scores], tiny_net: Callable[..., nn.Module]
) -> None:
    knows, guesses = scores(Oracle()), scores(tiny_net())
    assert knows.miou > 0.9
    assert guesses.miou < 0.5
    assert knows.mae_50_95 < 0.1 < guesses.mae_50
    # Two rows of five pixels of each image are ignored.
    assert int(knows.matrix.sum()) == 4 * (32 * 48 - 2 * 5)


def test_masks_may_be_of_another_size(scores: Callable[..., Scores]) -> None:
    larger = scores(Oracle(), masks=Resolution(64, 96))
    assert int(larger.matrix.sum()) == 4 * 4 * (32 * 48 - 2 * 5)
    assert larger.miou == pytest.approx(scores(Oracle()).miou, abs=0.05)


def test_a_batch_that_does_not_fit_is_counted_once(scores: Callable[..., Scores]) -> None:
    class Small(Oracle):
        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().forward(images)

    small, whole = scores(Small()), scores(Oracle())
    assert torch.equal(small.matrix, whole.matrix)
    assert small.loss == pytest.approx(whole.loss)


def test_the_loss_is_the_mean_over_valid_pixels(scores: Callable[..., Scores]) -> None:
    class Uniform(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.new_zeros(len(images), 3, *images.shape[-2:])

    assert scores(Uniform()).loss == pytest.approx(math.log(3), rel=1e-5)


def test_it_ends_when_the_session_asks(scores: Callable[..., Scores]) -> None:
    with pytest.raises(TrialStoppedError):
        scores(Oracle(), session=LocalSession(stop=lambda: True))


def test_an_error_of_the_model_is_raised(scores: Callable[..., Scores]) -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise KeyError(str(images.shape))

    with pytest.raises(KeyError):
        scores(Broken())


class Spoilt(Oracle):
    """Is right everywhere, with one logit at one pixel that is no finite number."""

    def __init__(self, value: float, place: tuple[int, int, int]) -> None:
        super().__init__()
        self.value, self.place = value, place

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        logits[(-1, *self.place)] = self.value
        return logits


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [(1, 3, 7), (0, 31, 2)])  # the second pixel is ignored
def test_one_logit_that_is_not_finite_is_found(
    scores: Callable[..., Scores], value: float, place: tuple[int, int, int]
) -> None:
    with pytest.raises(NotFiniteError, match="logits are not finite in 1 batch"):
        scores(Spoilt(value, place))


def test_a_logit_that_resizing_skips_is_found(scores: Callable[..., Scores]) -> None:
    with pytest.raises(NotFiniteError, match="logits are not finite"):
        scores(Spoilt(math.nan, (1, 0, 0)), masks=Resolution(8, 12))


@pytest.mark.parametrize("name", ["layers.0.weight", "layers.1.running_var", "layers.4.bias"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_weight_that_is_not_finite_is_the_reason(
    scores: Callable[..., Scores], tiny_net: Callable[..., nn.Module], name: str, value: float
) -> None:
    net = tiny_net()
    net.state_dict()[name].view(-1)[0] = value
    with pytest.raises(NotFiniteError, match="weights of the model are not finite"):
        scores(net)


def test_a_broken_weight_without_broken_logits_is_found(
    scores: Callable[..., Scores], tiny_net: Callable[..., nn.Module]
) -> None:
    net = tiny_net(norm=False)
    net.state_dict()["layers.0.bias"][0] = -math.inf  # the ReLU makes it 0
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 32, 48)).isfinite().all()
    with pytest.raises(NotFiniteError, match="weights"):
        scores(net)


class Syncs(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what makes the host wait for a device."""

    WAITS = frozenset({"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "_to_copy"})

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in self.WAITS and not (name == "_to_copy" and "device" not in (kwargs or {})):
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("with_thresholds", [False, True])
def test_no_batch_synchronizes_with_the_device(with_thresholds: bool) -> None:  # noqa: FBT001
    def waits(batches: int) -> Counter[str]:
        batch = {
            "image": torch.zeros(2, 8, 8, 3, dtype=torch.uint8),
            "mask": torch.zeros(2, 8, 8, dtype=torch.uint8),
        }
        syncs = Syncs()
        with syncs:
            evaluate(
                Oracle(),
                [batch] * batches,  # type: ignore[arg-type]
                3,
                compute=Compute(device=CPU),
                session=LocalSession(),
                ranks=Ranks(0, 1),
                with_thresholds=with_thresholds,
            )
        return syncs.counts

    assert waits(1) == waits(7)
    assert waits(1)["_local_scalar_dense"] > 0  # the scores are read once: the counter counts
