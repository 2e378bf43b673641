from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from tests.trainables.training import ddp_worker
from trainables.config import TrainingConfig
from trainables.session.local import LocalSession
from trainables.training.checkpoint import (
    BEST_METADATA,
    BEST_WEIGHTS,
    PREVIOUS_BEST,
    CheckpointError,
    load_weights,
    save_best,
    save_weights,
)
from trainables.training.evaluation import TrialStoppedError
from trainables.training.finite import DivergedError
from trainables.training.state import LAST, load_last, save_last

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.config import DataConfig
    from trainables.training.loop import Trainer

WORKER = Path(ddp_worker.__file__)


def fit(trainer: Trainer) -> list[dict[str, float]]:
    """Return the metrics of each epoch but their seconds, which differ each time."""
    told: list[dict[str, float]] = []
    trainer.fit(lambda _, metrics: told.append(metrics))
    return [{k: v for k, v in metrics.items() if k != "epoch_seconds"} for metrics in told]


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def test_training_learns_and_keeps_the_best(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer(epochs=12)
    told = fit(trainer)
    assert [set(metrics) for metrics in told] == [
        {"train_loss", "val_loss", "miou", "pixel_accuracy", "learning_rate"}
    ] * 12
    assert told[-1]["train_loss"] < 0.7 * told[0]["train_loss"]
    best = max(metrics["miou"] for metrics in told)
    assert best > 0.4
    described = json.loads((trainer.plan.folder / BEST_METADATA).read_text())
    assert described["miou"] == best == trainer.progress.best["miou"]
    assert told[described["epoch"] - 1]["miou"] == best
    trainer.load_best()
    assert trainer.evaluate().miou == best


def test_the_same_seed_gives_the_same_numbers(make_trainer: Callable[..., Trainer]) -> None:
    first, second = make_trainer(folder="a"), make_trainer(folder="b")
    assert fit(first) == fit(second)
    assert all(torch.equal(weights(second)[name], value) for name, value in weights(first).items())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_resumed_training_is_the_uninterrupted_one_bit_by_bit(
    make_trainer: Callable[..., Trainer], optimizer: str
) -> None:
    values = {"epochs": 4, "optimizer": optimizer, "schedule": "cosine"}
    whole = make_trainer(folder="whole", **values)
    expected = fit(whole)

    calls = itertools.count()
    # Three questions an epoch: two batches, one of validation. The eighth is in the third epoch.
    broken = make_trainer(
        folder="cut", session=LocalSession(stop=lambda: next(calls) == 7), **values
    )
    with pytest.raises(TrialStoppedError):
        broken.fit(lambda *_: None)
    assert broken.progress.epoch == 2

    resumed = make_trainer(folder="cut", **values)
    saved = (resumed.plan.folder / LAST).exists()
    assert saved
    assert resumed.resume()
    done = resumed.progress.epoch
    assert done >= 1
    assert fit(resumed) == expected[done:]
    assert all(torch.equal(weights(resumed)[name], value) for name, value in weights(whole).items())


class NoticedSession(LocalSession):
    """Has a notice before the given question, and an end some questions later."""

    noticed_at = 0
    asked = 0

    def preemption_noticed(self) -> bool:
        self.asked += 1
        return self.asked >= self.noticed_at

    def should_stop(self) -> bool:
        return self.asked > self.noticed_at


@pytest.mark.parametrize("noticed_at", [2, 4])  # the middle of the first epoch, of the second
def test_a_notice_saves_the_state_in_the_middle_of_an_epoch(
    make_trainer: Callable[..., Trainer], noticed_at: int
) -> None:
    values = {"epochs": 3, "schedule": "cosine"}
    whole = make_trainer(folder="whole", **values)
    expected = fit(whole)

    session = NoticedSession()
    session.noticed_at = noticed_at
    broken = make_trainer(folder="cut", session=session, **values)
    with pytest.raises(TrialStoppedError):
        broken.fit(lambda *_: None)

    resumed = make_trainer(folder="cut", **values)
    steps: list[float] = []
    assert resumed.resume()
    assert resumed.progress.epoch == resumed_epochs(noticed_at)
    original = resumed.step.__class__.__call__

    def counted(*arguments: Any) -> Any:
        steps.append(1)
        return original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resumed.step.__class__, "__call__", counted)
        assert fit(resumed) == expected[resumed_epochs(noticed_at) :]
    assert len(steps) == 2 * (3 - resumed_epochs(noticed_at)) - 1
    assert all(torch.equal(weights(resumed)[name], value) for name, value in weights(whole).items())


def resumed_epochs(noticed_at: int) -> int:
    return noticed_at // 2 - 1


def test_a_state_of_another_configuration_is_not_resumed(
    make_trainer: Callable[..., Trainer],
) -> None:
    fit(make_trainer())
    assert not make_trainer(learning_rate=0.1).resume()
    assert make_trainer().resume()


def test_a_state_without_its_best_weights_is_not_resumed(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer()
    fit(trainer)
    (trainer.plan.folder / BEST_WEIGHTS).unlink()
    (trainer.plan.folder / PREVIOUS_BEST).unlink(missing_ok=True)
    assert not make_trainer().resume()


def test_best_weights_newer_than_the_state_are_replaced(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer(epochs=1)
    fit(trainer)
    folder = trainer.plan.folder
    kept, facts = load_weights(folder / BEST_WEIGHTS)
    save_best(folder, kept, {**facts, "epoch": 2})  # which the state does not know
    resumed = make_trainer(epochs=3)
    assert resumed.resume()
    assert resumed.progress.best_epoch == 1
    assert load_weights(folder / BEST_WEIGHTS)[1] == facts


def test_a_resumed_training_has_its_earlier_metrics(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer(epochs=1)
    told = []
    trainer.fit(lambda _, metrics: told.append(metrics))
    resumed = make_trainer(epochs=3)
    assert resumed.resume()
    assert resumed.progress.history == told


def test_the_largest_number_of_micro_batches_survives_a_new_step_and_a_resume(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer(epochs=1)
    trainer.step.micro.parts = 2
    fit(trainer)
    assert trainer.progress.micro_batches == 2
    resumed = make_trainer(epochs=2)
    assert resumed.resume()
    resumed.step.micro.parts = 1  # as a new step after pruning
    fit(resumed)
    assert resumed.progress.micro_batches == 2


def test_a_state_without_the_number_of_micro_batches_is_resumed(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer(epochs=1)
    fit(trainer)
    state = load_last(trainer.plan.folder)
    assert state is not None
    del state["progress"]["micro_batches"]
    save_last(trainer.plan.folder, state)
    resumed = make_trainer(epochs=2)
    assert resumed.resume()
    assert resumed.progress.micro_batches == 1


def test_a_stop_takes_effect_within_a_step(make_trainer: Callable[..., Trainer]) -> None:
    answers = iter([False, True])
    trainer = make_trainer(session=LocalSession(stop=lambda: next(answers)))
    with pytest.raises(TrialStoppedError):
        fit(trainer)
    assert list(answers) == []
    assert trainer.progress.epoch == 0


def test_it_ends_when_the_miou_no_longer_rises(make_trainer: Callable[..., Trainer]) -> None:
    settings = TrainingConfig(early_stopping_epochs=2)
    trainer = make_trainer(epochs=30, settings=settings, learning_rate=1e-9)
    told = fit(trainer)
    assert trainer.progress.early_stopped
    assert len(told) == trainer.progress.best_epoch + 2 < 30


def test_a_loss_that_is_no_number_ends_the_training(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer(epochs=20, learning_rate=1e30, optimizer="sgd", momentum=0.9)
    with pytest.raises(
        DivergedError, match=r"training loss is nan in epoch \d+, found after step \d+; .* 1e\+30"
    ):
        fit(trainer)


def test_a_diverging_training_never_reports_metrics_that_are_not_finite(
    make_trainer: Callable[..., Trainer],
) -> None:
    """The loss of the last steps may be finite, and the weights that they left not."""
    trainer = make_trainer(epochs=20, learning_rate=1e18, optimizer="sgd", momentum=0.9)
    told: list[dict[str, float]] = []
    with pytest.raises(DivergedError, match=r"epoch \d+"):
        trainer.fit(lambda _, metrics: told.append(metrics))
    assert all(math.isfinite(value) for metrics in told for value in metrics.values())
    best = trainer.plan.folder / BEST_WEIGHTS
    assert not best.exists() or all(
        each.isfinite().all() for each in load_weights(best)[0].values()
    )


def test_weights_broken_by_an_epochs_last_step_end_the_training(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer(epochs=3)
    step = trainer.step.__class__.__call__
    calls = itertools.count(1)

    def breaking(self: Any, *arguments: Any) -> Any:
        loss = step(self, *arguments)
        if next(calls) == 4:  # of two epochs with two steps each
            with torch.no_grad():
                next(self.model.parameters()).fill_(math.nan)
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.step.__class__, "__call__", breaking)
        with pytest.raises(
            DivergedError, match=r"^validation after epoch 2: weights of the model are not finite"
        ):
            fit(trainer)
    assert trainer.progress.epoch == trainer.progress.best_epoch == 1
    assert load_weights(trainer.plan.folder / BEST_WEIGHTS)[1]["epoch"] == 1


def _spoil(trainer: Trainer, change: Callable[[dict[str, Any]], None]) -> None:
    state = load_last(trainer.plan.folder)
    assert state is not None
    change(state)
    save_last(trainer.plan.folder, state)


def test_a_state_with_broken_weights_is_not_resumed(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer(epochs=1)
    fit(trainer)

    def change(state: dict[str, Any]) -> None:
        state["step"]["model"]["layers.0.weight"][0] = math.nan

    _spoil(trainer, change)
    with pytest.raises(
        DivergedError, match=r"saved after epoch 1 are not finite: 1 of \d+ tensors"
    ):
        make_trainer(epochs=3).resume()


def test_a_state_with_a_broken_epoch_is_not_resumed(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer(epochs=2)
    fit(trainer)
    _spoil(trainer, lambda state: state["progress"]["history"][0].update(val_loss=math.nan))
    with pytest.raises(DivergedError, match="val_loss is nan in epoch 1"):
        make_trainer(epochs=3).resume()


def test_best_weights_that_are_not_finite_are_not_loaded(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer(epochs=1)
    fit(trainer)
    kept, facts = load_weights(trainer.plan.folder / BEST_WEIGHTS)
    kept["layers.0.weight"][0] = math.inf
    save_weights(trainer.plan.folder / BEST_WEIGHTS, kept, facts)
    with pytest.raises(CheckpointError, match=r"1 of its \d+ .* the first is layers\.0"):
        trainer.load_best()
    assert not make_trainer(epochs=3).resume()


@pytest.mark.parametrize("factor", [1e5, 1e3])  # a weight overflows in float16, or an activation
def test_a_program_that_overflows_in_float16_is_no_result(
    make_trainer: Callable[..., Trainer], tmp_path: Path, factor: float
) -> None:
    trainer = make_trainer(epochs=1, quantization="fp16")
    fit(trainer)
    trainer.load_best()
    with torch.no_grad():
        trainer.model.state_dict()["layers.0.weight"].fill_(factor)
        trainer.model.state_dict()["layers.1.weight"].fill_(factor)
    trainer.evaluate()
    trainer.deploy(tmp_path / "program.pt2")
    with pytest.raises(
        DivergedError, match=r"after fp16 quantization: (weights|logits) .*use another quantization"
    ):
        trainer.evaluate()


def test_a_step_that_the_scaler_skips_is_no_divergence(
    make_trainer: Callable[..., Trainer],
) -> None:
    """Float16 training finds its scale by steps with gradients that overflow."""
    trainer = make_trainer(epochs=1, batch_size=8)  # one step
    trainer.step._scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    next(trainer.model.parameters()).register_hook(  # type: ignore[no-untyped-call]
        lambda gradient: gradient * math.inf
    )
    before = weights(trainer)
    told = fit(trainer)
    assert math.isfinite(told[0]["train_loss"])
    assert trainer.step._scaler.get_scale() == 2.0
    name = "layers.0.weight"
    assert torch.equal(weights(trainer)[name], before[name])


def test_the_loss_is_read_once_in_check_steps(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer(epochs=1, batch_size=1)
    looked = [trainer._reads_loss(step) for step in range(8)]
    assert looked == [False] * 7 + [True]


def test_a_data_set_smaller_than_a_batch_is_one_batch(
    make_trainer: Callable[..., Trainer],
) -> None:
    told = fit(make_trainer(epochs=1, batch_size=64))
    assert math.isfinite(told[0]["train_loss"])


def test_an_epoch_is_reported_before_it_is_saved(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer()

    def fail(_: int, __: dict[str, float]) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        trainer.fit(fail)
    assert not make_trainer().resume()


def test_the_best_weights_are_all_of_the_model(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer(epochs=1)
    fit(trainer)
    saved, metadata = load_weights(trainer.plan.folder / BEST_WEIGHTS)
    assert set(saved) == set(trainer.model.state_dict())
    assert metadata["epoch"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("loader_workers", [0, 1])
def test_loader_processes_do_not_change_the_result(
    make_trainer: Callable[..., Trainer], loader_workers: int
) -> None:
    settings = TrainingConfig(loader_workers=loader_workers)
    assert fit(make_trainer(folder="a", settings=settings)) == fit(make_trainer(folder="b"))


@dataclass(frozen=True)
class RankResult:
    error: str | None
    epochs: list[dict[str, float]]
    weights: list[float]
    parts: int
    steps: int


def train_ranks(
    folder: Path, world_size: int, data: DataConfig, fault: str = "none"
) -> list[RankResult]:
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [str(folder), str(world_size), str(data.root), fault]
    processes = [
        subprocess.Popen([sys.executable, str(WORKER), str(rank), *arguments])
        for rank in range(world_size)
    ]
    try:
        codes = [process.wait(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert codes == [0] * world_size
    texts = [(folder / f"rank{rank}.json").read_text() for rank in range(world_size)]
    return [RankResult(**json.loads(text)) for text in texts]


@pytest.mark.slow
def test_two_ranks_train_like_one(tmp_path: Path, tiny_data: DataConfig) -> None:
    (alone,) = train_ranks(tmp_path / "one", 1, tiny_data)
    first, second = train_ranks(tmp_path / "two", 2, tiny_data)
    assert first == second
    assert first.error is alone.error is None
    for shared, single in zip(first.epochs, alone.epochs, strict=True):
        assert shared == pytest.approx(single, rel=1e-3)
    assert first.weights == pytest.approx(alone.weights, abs=1e-5)


@pytest.mark.slow
def test_two_ranks_resume_in_the_middle_of_an_epoch_bit_by_bit(
    tmp_path: Path, tiny_data: DataConfig
) -> None:
    """Each has its own BatchNorm statistics there, and draws its own dropout."""
    whole = train_ranks(tmp_path / "whole", 2, tiny_data, "whole")
    cut = train_ranks(tmp_path / "cut", 2, tiny_data, "cut")
    assert [rank.error for rank in cut] == ["TrialStoppedError"] * 2
    resumed = train_ranks(tmp_path / "cut", 2, tiny_data, "resume")
    for before, after in zip(whole, resumed, strict=True):
        assert before.error is after.error is None
        assert before.steps == 3 * 4
        assert after.steps == before.steps - 4 - ddp_worker.CUT
        assert after.epochs == before.epochs[1:]
        assert after.weights == before.weights


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "errors", "parts"),
    [
        ("memory-once", (None, None), (1, 2)),
        ("memory", ("DoesNotFitError", "DoesNotFitError"), (1, 3)),
        ("error", ("PeerFailedError", "KeyError"), (1, 1)),
        ("nan-train", ("DivergedError", "DivergedError"), (1, 1)),
        ("nan-score", ("DivergedError", "DivergedError"), (1, 1)),
    ],
)
def test_an_error_of_one_rank_ends_all_ranks(
    tmp_path: Path,
    tiny_data: DataConfig,
    fault: str,
    errors: tuple[str | None, str | None],
    parts: tuple[int, int],
) -> None:
    results = train_ranks(tmp_path, 2, tiny_data, fault)
    assert tuple(result.error for result in results) == errors
    assert tuple(result.parts for result in results) == parts
    assert _alike(results[0].weights, results[1].weights)


def _alike(one: list[float], other: list[float]) -> bool:
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(one, other, strict=True))
