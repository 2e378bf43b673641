from __future__ import annotations

import errno
import gc
import json
import math
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainables import trial
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.io.claim import ClaimLostError
from trainables.session.local import LocalSession
from trainables.session.messages import EpochDone, Profiled, TrialTask
from trainables.training.state import LAST, load_last, save_last
from trainables.training.step import TrainStep
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.data.transforms import Batch
    from trainables.session.messages import TrialDone

SMALLEST: dict[str, Any] = {
    "backbone": "mobilenet_v3_small",
    "last_expansion": False,
    "output_stride": 16,
    "resolution": "32x48",
    "batch_size": 4,
}
KNOWN = {"latency_ms": 1.5}
EPOCH_METRICS = {
    "train_loss",
    "val_loss",
    "miou",
    "pixel_accuracy",
    "learning_rate",
    "epoch_seconds",
}


@pytest.fixture
def make_task(tiny_data: DataConfig, tiny_cache: Path, tmp_path: Path) -> Callable[..., TrialTask]:
    def make(folder: str = "t0", **changes: Any) -> TrialTask:
        task = TrialTask(
            sweep_id="s",
            trial_id="t0",
            config=SMALLEST,
            seed=11,
            epochs=1,
            data=tiny_data,
            training=TrainingConfig(threads=1, sample_images=1),
            target=TargetConfig(warmup=0, repeats=2, rounds=1),
            cache_dir=str(tiny_cache),
            output_dir=str(tmp_path / folder),
            measured=KNOWN,
        )
        return replace(task, **changes)

    return make


class Metered(LocalSession):
    """A session whose device uses 10 J between two readings."""

    joules = 0.0

    def energy_joules(self) -> float | None:
        self.joules += 10.0
        return self.joules


@pytest.mark.slow
def test_a_trial_reports_cost_epochs_and_end(
    make_task: Callable[..., TrialTask],
) -> None:
    session, task = Metered(), make_task(measured={})
    done = run_trial(task, session)
    assert (done.state, done.reason) == ("complete", "")
    profiled, epoch = session.messages
    assert isinstance(profiled, Profiled)
    assert profiled.metrics["flops"] == 2 * profiled.metrics["macs"] > 0
    assert profiled.metrics["latency_ms"] > 0
    assert profiled.details["threads"] == 1
    assert isinstance(epoch, EpochDone)
    assert epoch.epoch == 1
    assert set(epoch.metrics) == EPOCH_METRICS
    assert done.metrics["miou"] == epoch.metrics["miou"]
    assert done.metrics["mae_50"] <= 1
    assert done.metrics["energy_j"] == 20.0
    assert done.metrics["eval_energy_per_image_j"] == 10.0 / 4  # of four images
    folder = Path(task.output_dir)
    assert done.metrics["size_mb"] == (folder / "best.safetensors").stat().st_size / 1e6
    assert {"best.safetensors", "best.json", "class_iou.json"} < set(done.artifacts)
    assert all((folder / name).is_file() for name in done.artifacts)
    assert set(json.loads((folder / "class_iou.json").read_text())["iou"]) == {
        "ground",
        "wall",
        "sky",
    }
    assert not (folder / LAST).exists()
    keys = {*profiled.metrics, *epoch.metrics, *done.metrics}
    assert len(keys) <= 25


@pytest.mark.slow
def test_the_same_task_gives_the_same_numbers(make_task: Callable[..., TrialTask]) -> None:
    def figures(done: TrialDone) -> dict[str, float]:
        timed = {"train_seconds", "peak_memory_mb"}
        return {name: value for name, value in done.metrics.items() if name not in timed}

    first, second = (run_trial(make_task(folder), LocalSession()) for folder in ("a", "b"))
    assert figures(first) == figures(second)
    assert first.metrics["latency_ms"] == 1.5


@pytest.mark.slow
def test_a_stopped_trial_has_the_metrics_known_by_then(make_task: Callable[..., TrialTask]) -> None:
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) > 3

    task = make_task(epochs=5)
    done = run_trial(task, LocalSession(stop=stop))
    assert (done.state, done.reason) == ("stopped", "asked to stop after epoch 1")
    assert len(asked) == 4
    assert {"flops", "latency_ms", "miou", "best_epoch", "train_seconds"} <= set(done.metrics)
    assert (Path(task.output_dir) / LAST).exists()
    session = LocalSession()
    again = run_trial(replace(task, epochs=2, resume=True), session)
    assert again.state == "complete"
    assert [m.epoch for m in session.messages if isinstance(m, EpochDone)] == [1, 2]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"backbone": "vgg"}, "ValueError: backbone: 'vgg' is not one of"),
        ({"distill_alpha": 0.5, "temperature": 2.0}, "needs the teacher's soft labels"),
    ],
)
def test_a_broken_configuration_fails_with_its_reason(
    make_task: Callable[..., TrialTask], config: dict[str, Any], reason: str
) -> None:
    task = make_task(config={**SMALLEST, **config})
    done = run_trial(task, LocalSession())
    assert done.state == "failed"
    assert reason in done.reason
    assert ".py:" in done.reason
    assert "\n" not in done.reason
    assert done.artifacts == ("error.txt",)
    assert "Traceback" in (Path(task.output_dir) / "error.txt").read_text()


@pytest.mark.slow
def test_a_trial_that_diverges_fails_and_stays_failed(make_task: Callable[..., TrialTask]) -> None:
    config = {**SMALLEST, "learning_rate": 1e12, "optimizer": "sgd", "momentum": 0.9}
    task = make_task(config=config, epochs=30)
    for resume in (False, True):
        session = LocalSession()
        done = run_trial(replace(task, resume=resume), session)
        assert done.state == "failed"
        assert re.search(r"DivergedError: .*(loss|weights|logits).* epoch \d+", done.reason)
        assert "mae_50" not in done.metrics
        told = [each.metrics for each in session.messages if isinstance(each, EpochDone)]
        figures = [*done.metrics.values(), *(value for each in told for value in each.values())]
        assert all(map(math.isfinite, figures))
        assert not (Path(task.output_dir) / LAST).exists()


@pytest.mark.slow
def test_a_state_that_had_diverged_is_not_resumed_to_a_complete_trial(
    make_task: Callable[..., TrialTask],
) -> None:
    task = make_task(epochs=3)
    session = LocalSession()
    session.stop = lambda: any(isinstance(each, EpochDone) for each in session.messages)
    assert run_trial(task, session).state == "stopped"
    state = load_last(Path(task.output_dir))
    assert state is not None
    next(iter(state["step"]["model"].values())).fill_(math.nan)
    save_last(Path(task.output_dir), state)
    done = run_trial(replace(task, resume=True), LocalSession())
    assert done.state == "failed"
    assert "saved after epoch 1 are not finite" in done.reason


def test_a_missing_data_set_fails_with_its_reason(make_task: Callable[..., TrialTask]) -> None:
    data = DataConfig(format="folder", root="/nowhere", class_names=("a", "b"))
    done = run_trial(make_task(data=data), LocalSession())
    assert done.state == "failed"
    assert "/nowhere" in done.reason


def test_a_model_too_large_for_memory_is_infeasible(
    make_task: Callable[..., TrialTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    class TooLarge(torch.nn.Conv2d):
        def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
            raise torch.OutOfMemoryError(f"CUDA out of memory for {input.shape}.")

    monkeypatch.setattr(trial, "build_model", lambda *_, **__: TooLarge(3, 3, 1))
    done = run_trial(make_task(), LocalSession())
    assert done.state == "infeasible"
    assert "micro-batch of 1 image" in done.reason
    assert done.metrics["latency_ms"] == 1.5


@pytest.mark.slow
def test_batches_that_do_not_fit_are_a_metric_of_the_trial(
    make_task: Callable[..., TrialTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = TrainStep._loss

    def limited(step: TrainStep, part: Batch) -> torch.Tensor:
        if len(part["mask"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return loss(step, part)

    whole = run_trial(make_task("whole"), LocalSession())
    monkeypatch.setattr(TrainStep, "_loss", limited)
    halved = run_trial(make_task("halved"), LocalSession())
    assert (whole.state, halved.state) == ("complete", "complete")
    assert "micro_batches" not in whole.metrics
    assert halved.metrics["micro_batches"] == 2
    names = list(halved.metrics)
    assert names.index("micro_batches") < names.index("miou"), "MLflow receives the first ones"


@pytest.mark.slow
def test_an_ended_trial_keeps_no_model(make_task: Callable[..., TrialTask]) -> None:
    def parameters() -> int:
        gc.collect()
        return sum(type(thing) is torch.nn.Parameter for thing in gc.get_objects())

    before = parameters()
    run_trial(make_task("ok"), LocalSession())
    run_trial(make_task("bad", config={**SMALLEST, "distill_alpha": 0.5}), LocalSession())
    assert parameters() == before


@pytest.mark.parametrize(
    ("number", "state"), [(errno.ENOSPC, "preempted"), (errno.EROFS, "preempted")]
)
def test_a_full_disk_preempts_the_trial(
    make_task: Callable[..., TrialTask], monkeypatch: pytest.MonkeyPatch, number: int, state: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("trainables.training.loop.save_best", full)
    done = run_trial(make_task(), LocalSession())
    assert done.state == state
    assert os.strerror(number) in done.reason


def test_a_network_fault_is_raised_and_ends_no_trial(
    make_task: Callable[..., TrialTask],
) -> None:
    def gone(_: object) -> None:
        raise ConnectionResetError("the trial broker is gone")

    with pytest.raises(ConnectionResetError):
        run_trial(make_task(), LocalSession(on_message=gone))


def test_a_lost_device_ends_no_trial_and_keeps_its_state(
    make_task: Callable[..., TrialTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    task, freed = make_task(), list[bool]()
    folder = Path(task.output_dir)
    folder.mkdir()
    (folder / LAST).write_bytes(b"state")
    monkeypatch.setattr("trainables.training.step.TrainStep.__call__", lost)
    monkeypatch.setattr("trainables.trial.release_memory", lambda: freed.append(True))
    with pytest.raises(torch.AcceleratorError):
        run_trial(task, LocalSession())
    assert (folder / LAST).read_bytes() == b"state"
    assert not freed, "every call of CUDA would fail"


@pytest.mark.slow
def test_an_earlier_process_changes_nothing_of_a_trial_resumed_elsewhere(
    make_task: Callable[..., TrialTask], tmp_path: Path
) -> None:
    """A worker that stood still while its driver was killed wakes up in the middle of an epoch."""
    folder = tmp_path / "t0"
    asked, after = 0, {}

    def contents() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def stands_still() -> bool:
        nonlocal asked, after
        asked += 1
        if asked == 5:  # two steps and one of validation an epoch: after the second one's first
            assert (folder / LAST).exists()
            task = make_task(epochs=3, fencing_token=(2, 1), resume=True)
            session = LocalSession()
            assert run_trial(task, session).state == "complete"
            heard = [each.epoch for each in session.messages if isinstance(each, EpochDone)]
            assert heard == [1, 2, 3]
            after = contents()
        return False

    with pytest.raises(ClaimLostError, match="was resumed by another process"):
        run_trial(make_task(epochs=3, fencing_token=(1, 1)), LocalSession(stop=stands_still))
    assert asked >= 5
    assert contents() == after


@pytest.mark.slow
@pytest.mark.parametrize("ignored", [0, 2])
def test_an_ignored_position_trains_as_labels_without_it(
    make_task: Callable[..., TrialTask], tiny_data: DataConfig, tmp_path: Path, ignored: int
) -> None:
    root = tmp_path / "moved"
    shutil.copytree(str(tiny_data.root), root)
    for path in (root / "masks").rglob("*.png"):
        with Image.open(path) as mask:
            raw = np.array(mask)
        moved = np.where(raw >= ignored, raw + 1, raw)
        Image.fromarray(np.where(raw == 255, ignored, moved).astype(np.uint8)).save(path)
    names = list(tiny_data.class_names or ())
    names.insert(ignored, "void")
    moved_data = replace(tiny_data, root=str(root), class_names=tuple(names), ignore_index=ignored)
    plain = run_trial(make_task("plain"), LocalSession())
    moved_done = run_trial(make_task("moved", data=moved_data), LocalSession())
    assert (plain.state, moved_done.state) == ("complete", "complete")
    assert moved_done.metrics["miou"] == plain.metrics["miou"]
    iou = json.loads((Path(make_task("moved").output_dir) / "class_iou.json").read_text())["iou"]
    assert list(iou) == list(tiny_data.class_names or ())
