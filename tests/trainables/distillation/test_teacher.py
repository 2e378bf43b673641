from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from search_spaces.resolution import Resolution
from trainables.config import TargetConfig, TeacherConfig, TrainingConfig
from trainables.distillation.teacher import (
    TeacherError,
    TeacherInfo,
    load_teacher,
    read_teacher,
    teacher_config,
    train_teacher,
)
from trainables.session.local import LocalSession
from trainables.training.checkpoint import load_weights, save_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.config import DataConfig

LIGHT = TeacherConfig(
    arch="deeplabv3", backbone="mobilenet_v3_small", output_stride=16, epochs=1, batch_size=4
)


@pytest.fixture
def train(tiny_data: DataConfig, tmp_path: Path) -> Callable[..., TeacherInfo]:
    def run(session: LocalSession | None = None, teacher: TeacherConfig = LIGHT) -> TeacherInfo:
        return train_teacher(
            teacher,
            session or LocalSession(),
            data=tiny_data,
            training=TrainingConfig(threads=1, sample_images=0),
            target=TargetConfig(warmup=0, repeats=1, rounds=1),
            resolution=Resolution(32, 48),
            cache_dir=tmp_path,
        )

    return run


@pytest.mark.slow
def test_a_teacher_is_trained_once_and_describes_itself(
    train: Callable[..., TeacherInfo], tmp_path: Path
) -> None:
    info = train()
    assert info.config["backbone"] == "mobilenet_v3_small"
    assert info.resolution == "32x48"
    assert info.class_names == ("ground", "wall", "sky")
    assert 0 <= info.miou <= 1
    silent = LocalSession()
    assert train(silent) == info
    assert silent.messages == []
    copied = tmp_path / "elsewhere.safetensors"
    copied.write_bytes(open(info.path, "rb").read())  # noqa: SIM115, PTH123
    given = train(teacher=replace(LIGHT, checkpoint=str(copied)))
    assert given == replace(info, path=str(copied))
    found, model = load_teacher(copied)
    assert found == given
    assert model(torch.zeros(1, 3, 32, 48)).shape == (1, 3, 32, 48)
    assert not model.training


def test_a_stopped_training_leaves_no_teacher(train: Callable[..., TeacherInfo]) -> None:
    with pytest.raises(TeacherError, match="training ended stopped: asked to stop"):
        train(LocalSession(stop=lambda: True))


@pytest.mark.slow
def test_a_teacher_that_another_sweep_trains_is_waited_for(
    train: Callable[..., TeacherInfo],
) -> None:
    """Two processes that trained into one folder would mix their states."""
    asked = 0
    waited: list[bool] = []

    def after_a_while() -> bool:
        waited.append(True)
        return len(waited) > 1

    def second_one_comes() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            with pytest.raises(TeacherError, match="another sweep trained the same teacher"):
                train(LocalSession(stop=after_a_while))
        return False

    info = train(LocalSession(stop=second_one_comes))
    assert waited == [True, True]
    assert train() == info


@pytest.mark.slow
def test_a_teacher_that_diverges_leaves_no_file(
    train: Callable[..., TeacherInfo], tmp_path: Path
) -> None:
    hot = replace(LIGHT, learning_rate=1e12, epochs=30)
    for _ in range(2):  # the second time as the first: it is not resumed
        with pytest.raises(
            TeacherError, match=r"training ended failed: DivergedError: .*epoch \d+"
        ):
            train(teacher=hot)
        assert not list(tmp_path.rglob("*.safetensors"))
        assert not list(tmp_path.rglob("best.json"))


@pytest.mark.slow
def test_a_teacher_that_is_not_finite_is_trained_again(
    train: Callable[..., TeacherInfo],
) -> None:
    """An earlier release kept it."""
    info = train()
    path = Path(info.path)
    weights, facts = load_weights(path)
    weights[next(iter(weights))].fill_(float("nan"))
    save_weights(path, weights, facts)
    with pytest.raises(TeacherError, match="training that diverged"):
        train(teacher=replace(LIGHT, checkpoint=info.path))
    session = LocalSession()
    assert replace(train(session), digest=info.digest) == info
    assert session.messages


def test_a_teacher_whose_miou_is_nan_is_refused(tmp_path: Path) -> None:
    facts = {
        "config": {"resolution": "32x48"},
        "class_names": ["a", "b"],
        "miou": float("nan"),
        "dataset": "0",
    }
    save_weights(tmp_path / "a.safetensors", {"a": torch.zeros(1)}, facts)
    with pytest.raises(TeacherError, match="with the mIoU nan"):
        read_teacher(tmp_path / "a.safetensors")


def test_a_file_that_is_no_teacher_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(TeacherError, match="does not exist"):
        read_teacher(path)
    save_weights(path, {"a": torch.zeros(1)}, {"config": {}})
    with pytest.raises(TeacherError, match="is a trial's checkpoint, not a teacher"):
        read_teacher(path)
    facts = {
        "config": {"resolution": "32x48"},
        "class_names": ["a", "b"],
        "miou": 0.5,
        "dataset": "0",
    }
    save_weights(path, {"a": torch.zeros(1)}, facts)
    with pytest.raises(TeacherError, match="do not fit its model"):
        load_teacher(path)


def test_a_teacher_with_a_resolution_is_trained_at_it() -> None:
    assert teacher_config(LIGHT, Resolution(32, 48)).resolution == Resolution(32, 48)
    own = replace(LIGHT, resolution="64x96")
    assert teacher_config(own, Resolution(32, 48)).resolution == Resolution(64, 96)
    assert teacher_config(TeacherConfig(), Resolution(32, 48)).backbone == "resnet50"
    mirror = TeacherConfig(arch="deconvnet", backbone="vgg16")
    assert teacher_config(mirror, Resolution(32, 64)).output_stride is None


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(TeacherError("x")))  # noqa: S301 - our own bytes
    assert str(error) == "x"
