from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from trainables.compression.unstructured import sparsity
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.cost.size import artifact_mb
from trainables.export.export import load_deployed
from trainables.formats.program import PROGRAM
from trainables.session.local import LocalSession
from trainables.session.messages import EpochDone, TrialTask
from trainables.training.checkpoint import BEST_WEIGHTS, load_weights
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

SMALLEST: dict[str, Any] = {
    "arch": "lraspp",
    "backbone": "mobilenet_v3_small",
    "width": 0.5,
    "resolution": "32x48",
    "batch_size": 4,
}


@pytest.fixture
def make_task(tiny_data: DataConfig, tiny_cache: Path, tmp_path: Path) -> Callable[..., TrialTask]:
    def make(folder: str, epochs: int, *, resume: bool = False, **config: Any) -> TrialTask:
        return TrialTask(
            sweep_id="s",
            trial_id="t0",
            config={**SMALLEST, **config},
            seed=11,
            epochs=epochs,
            data=tiny_data,
            training=TrainingConfig(threads=1, sample_images=1),
            target=TargetConfig(name="onnxruntime-cpu"),
            cache_dir=str(tiny_cache),
            output_dir=str(tmp_path / folder),
            measured={"latency_ms": 1.5},
            resume=resume,
        )

    return make


def _stop_after(epochs: int) -> LocalSession:
    session = LocalSession()
    session.stop = lambda: len([m for m in session.messages if isinstance(m, EpochDone)]) >= epochs
    return session


@pytest.mark.parametrize("importance", ["taylor", "bn_scale"])
def test_a_pruned_trial_keeps_an_epoch_after_the_pruning(
    importance: str, make_task: Callable[..., TrialTask], tmp_path: Path
) -> None:
    task = make_task("pruned", 2, pruning="structured", pruning_importance=importance)
    done = run_trial(task, LocalSession())
    assert (done.state, done.reason, done.metrics["best_epoch"]) == ("complete", "", 2)
    model, _, _ = load_deployed(tmp_path / "pruned")
    assert sum(p.numel() for p in model.parameters()) == done.metrics["params"]


def test_pruned_weights_are_zero_in_the_checkpoint(
    make_task: Callable[..., TrialTask], tmp_path: Path
) -> None:
    task = make_task("masked", 2, pruning="unstructured", pruning_ratio=0.75, pruning_when="before")
    done = run_trial(task, LocalSession())
    assert done.metrics["sparsity"] == pytest.approx(0.75, abs=0.01)
    model, _, _ = load_deployed(tmp_path / "masked")
    assert sparsity(model) == done.metrics["sparsity"]


@pytest.mark.parametrize("quantization", ["ptq_int8", "qat_int8", "fp16"])
def test_the_deployed_model_is_scored(
    quantization: str, make_task: Callable[..., TrialTask], tmp_path: Path
) -> None:
    done = run_trial(make_task("small", 2, quantization=quantization), LocalSession())
    assert (done.state, done.reason) == ("complete", "")
    assert 0 <= done.metrics["miou"] <= 1
    assert abs(done.metrics["miou"] - done.metrics["float_miou"]) < 0.3
    assert PROGRAM in done.artifacts
    assert done.metrics["size_mb"] == artifact_mb(tmp_path / "small" / PROGRAM)
    model, config, classes = load_deployed(tmp_path / "small" / BEST_WEIGHTS)
    assert (config.quantization, classes) == (quantization, 3)
    assert model(torch.rand(3, 3, 32, 48)).shape == (3, 3, 32, 48)


def test_a_resumed_training_changes_the_model_at_the_same_epochs(
    make_task: Callable[..., TrialTask], tmp_path: Path
) -> None:
    compressed = {"pruning": "structured", "quantization": "qat_int8"}
    whole = run_trial(make_task("whole", 4, **compressed), LocalSession())
    assert (whole.state, whole.metrics["best_epoch"]) == ("complete", 4)
    wanted = load_weights(tmp_path / "whole" / BEST_WEIGHTS)[0]
    for epochs in (1, 3):  # before the pruning, and after fake quantization began
        parts = f"parts-{epochs}"
        stopped = run_trial(make_task(parts, 4, **compressed), _stop_after(epochs))
        assert stopped.state == "stopped"
        resumed = run_trial(make_task(parts, 4, resume=True, **compressed), LocalSession())
        assert (resumed.state, resumed.reason) == ("complete", "")
        assert resumed.metrics["best_epoch"] == 4
        found = load_weights(tmp_path / parts / BEST_WEIGHTS)[0]
        assert found.keys() == wanted.keys()
        for name, tensor in found.items():
            torch.testing.assert_close(tensor, wanted[name], rtol=1e-3, atol=1e-4)
