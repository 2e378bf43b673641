"""A complete trial is examined as it was scored."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.inference.split_scores import score_split
from trainables.lane.final_check import run_final_check
from trainables.session.local import LocalSession
from trainables.session.messages import FinalCheckTask, TrialTask
from trainables.trial import run_trial

if TYPE_CHECKING:
    from trainables.session.messages import TrialDone

pytestmark = pytest.mark.slow
TRAINING = TrainingConfig(threads=1, sample_images=0, eval_resolution="32x48")
CONFIG: dict[str, Any] = {
    "backbone": "mobilenet_v3_small",
    "last_expansion": False,
    "output_stride": 16,
    "resolution": "32x32",
    "batch_size": 4,
}


@pytest.fixture(scope="module")
def data(tiny_data: DataConfig, tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    """Return the tiny data set with a test split, whose images are some of those trained on."""
    root = tmp_path_factory.mktemp("held_out")
    shutil.copytree(Path(str(tiny_data.root)), root, dirs_exist_ok=True)
    for kind in ("images", "masks"):
        (root / kind / "test").mkdir()
        for number in (1, 5, 6):
            name = f"{number:02d}.png"
            shutil.copy(root / kind / "train" / name, root / kind / "test" / f"other_{name}")
    return replace(tiny_data, root=str(root), test_split="test")


@pytest.fixture(scope="module", params=["none", "fp16"])
def trained(
    request: pytest.FixtureRequest,
    data: DataConfig,
    tiny_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, TrialDone]:
    folder = tmp_path_factory.mktemp("trial")
    task = TrialTask(
        sweep_id="s",
        trial_id="t0",
        config={**CONFIG, "quantization": request.param},
        seed=3,
        epochs=2,
        data=data,
        training=TRAINING,
        target=TargetConfig(),
        cache_dir=str(tiny_cache),
        output_dir=str(folder),
        measured={"latency_ms": 1.0},
    )
    return folder, run_trial(task, LocalSession())


def check(folder: Path, data: DataConfig, cache: Path) -> TrialDone:
    task = FinalCheckTask(
        trial_id="t0/test",
        kind="test",
        folder=str(folder),
        data=data,
        training=TRAINING,
        target=TargetConfig(),
        cache_dir=str(cache),
    )
    return run_final_check(task, LocalSession())


def test_the_scores_on_val_are_those_that_the_trial_recorded(
    trained: tuple[Path, TrialDone], data: DataConfig, tiny_cache: Path
) -> None:
    folder, done = trained
    assert done.state == "complete", done.reason
    scores = score_split(
        folder, "val", data=data, training=TRAINING, cache_dir=tiny_cache, session=LocalSession()
    )
    assert scores.miou == pytest.approx(done.metrics["miou"], abs=1e-12)


def test_the_check_scores_the_test_split(
    trained: tuple[Path, TrialDone], data: DataConfig, tiny_cache: Path
) -> None:
    folder, _ = trained
    only_test = replace(data, test_split=None, val_split="test")
    expected = score_split(
        folder,
        "val",
        data=only_test,
        training=TRAINING,
        cache_dir=tiny_cache,
        session=LocalSession(),
    )
    done = check(folder, data, tiny_cache)
    assert (done.state, done.reason, done.trial_id) == ("complete", "", "t0/test")
    assert done.metrics == {
        "test_miou": expected.miou,
        "test_pixel_accuracy": expected.pixel_accuracy,
    }


def test_a_check_that_cannot_run_reports_the_reason(
    trained: tuple[Path, TrialDone], data: DataConfig, tiny_cache: Path, tmp_path: Path
) -> None:
    folder, _ = trained
    missing = check(tmp_path, data, tiny_cache)
    assert missing.state == "failed"
    assert "best.safetensors" in missing.reason
    gone = check(folder, replace(data, root=str(tmp_path)), tiny_cache)
    assert gone.state == "failed"
    assert "no such folder" in gone.reason
