from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.config import TargetConfig, TrainingConfig
from trainables.data.dataset import build_datasets
from trainables.data.soft_label_files import open_soft_labels
from trainables.data.transforms import network_inputs
from trainables.distillation.soft_labels import SoftLabelKey, ensure_soft_labels
from trainables.distillation.teacher import TeacherError, load_teacher
from trainables.models.build import build_model
from trainables.session.local import LocalSession
from trainables.session.messages import EpochDone, TrialTask
from trainables.training.checkpoint import load_weights, save_weights
from trainables.trial import run_trial

if TYPE_CHECKING:
    from pathlib import Path

    from search_spaces.domains import Value
    from trainables.config import DataConfig

SIZE = Resolution(32, 48)


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """Return the file of a teacher that has learnt nothing."""
    config = TrialConfig(
        arch="deeplabv3", backbone="mobilenet_v3_small", width=0.35, resolution=SIZE
    )
    torch.manual_seed(0)
    model = build_model(config, 3)
    facts = {
        "config": config.to_mapping(),
        "class_names": ["ground", "wall", "sky"],
        "miou": 0.4,
        "dataset": "0",
    }
    save_weights(tmp_path / "teacher.safetensors", model.state_dict(), facts)
    return tmp_path / "teacher.safetensors"


def test_the_logits_are_the_teachers_own_and_computed_once(
    teacher: Path, tiny_data: DataConfig, tmp_path: Path
) -> None:
    folder = ensure_soft_labels(teacher, tiny_data, tmp_path, stride=4)
    logits = open_soft_labels(folder)
    assert logits.shape == (8, 3, 8, 12)
    assert logits.dtype == np.float16
    _, model = load_teacher(teacher)
    train, _ = build_datasets(tiny_data, SIZE, tmp_path)
    with torch.inference_mode():
        full = model(network_inputs(train.batch([5]))["image"])
        small = torch.nn.functional.interpolate(
            full, size=(8, 12), mode="bilinear", antialias=True, align_corners=False
        )
    assert np.abs(logits[5].astype(np.float32) - small[0].numpy()).max() < 0.05
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    told: list[int] = []
    again = ensure_soft_labels(
        teacher, tiny_data, tmp_path, stride=4, progress=lambda done, _: told.append(done)
    )
    assert again == folder
    assert told == []
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written


@pytest.mark.slow
def test_students_learn_from_them_at_another_resolution(
    teacher: Path, tiny_data: DataConfig, tmp_path: Path
) -> None:
    folder = ensure_soft_labels(teacher, tiny_data, tmp_path)

    def loss(**distillation: float) -> float:
        config: dict[str, Value] = {
            "last_expansion": False,
            "resolution": "48x64",
            "batch_size": 8,
            **distillation,
        }
        task = TrialTask(
            sweep_id="s",
            trial_id="t",
            config=config,
            seed=1,
            epochs=1,
            data=tiny_data,
            training=TrainingConfig(threads=1, sample_images=0),
            target=TargetConfig(),
            cache_dir=str(tmp_path),
            output_dir=str(tmp_path / f"trial-{len(distillation)}"),
            soft_labels=str(folder),
            measured={"latency_ms": 1.0},
        )
        session = LocalSession()
        done = run_trial(task, session)
        assert done.state == "complete", done.reason
        (told,) = (each for each in session.messages if isinstance(each, EpochDone))
        return told.metrics["train_loss"]

    assert loss(distill_alpha=1.0, temperature=2.0) != pytest.approx(loss(), rel=0.01)


def test_a_teacher_of_other_classes_is_refused(
    teacher: Path, tiny_data: DataConfig, tmp_path: Path
) -> None:
    renamed = replace(tiny_data, class_names=("floor", "wall", "sky"))
    with pytest.raises(TeacherError, match="has the classes ground, wall, sky"):
        ensure_soft_labels(teacher, renamed, tmp_path)


def test_keys_cover_all_that_the_logits_depend_on() -> None:
    key = SoftLabelKey(teacher="a", split="b", resolution=SIZE, stride=8)
    others = [
        replace(key, teacher="x"),
        replace(key, split="x"),
        replace(key, resolution=Resolution(32, 64)),
        replace(key, stride=4),
    ]
    assert len({key.digest, *(other.digest for other in others)}) == 5
    assert key.digest == replace(key).digest
    assert key.shape(5, 3) == (5, 3, 4, 6)


@pytest.mark.parametrize("value", [1e6, float("nan")])  # too large for float16; a diverged teacher
def test_a_teacher_whose_logits_are_not_finite_is_refused(
    teacher: Path, tiny_data: DataConfig, tmp_path: Path, value: float
) -> None:
    weights, facts = load_weights(teacher)
    (bias,) = (name for name, each in weights.items() if name.endswith("bias") and len(each) == 3)
    weights[bias][:] = value
    save_weights(teacher, weights, facts)
    with pytest.raises(TeacherError, match="not finite"):
        ensure_soft_labels(teacher, tiny_data, tmp_path)
    assert not list(tmp_path.glob("soft_labels/*/"))
