"""A model learns a third class on images on which one of its first two is not labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.incremental.config import ExtendConfig, ExtendError
from trainables.incremental.extend import extend_model
from trainables.inference.trained import load_trained
from trainables.session.local import LocalSession
from trainables.session.messages import TrialTask
from trainables.trial import run_trial

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.incremental.extend import Extension

pytestmark = pytest.mark.slow
COLOURS = np.array([[40, 160, 60], [70, 90, 230], [220, 60, 40]])
CPU = torch.device("cpu")


def _write(root: Path, *, boxes: bool) -> None:
    """Write ground and sky; with boxes in front of them, boxes are labelled 1, sky is not."""
    rng = np.random.default_rng(int(boxes))
    for split, count in (("train", 24), ("val", 8)):
        for number in range(count):
            scene = np.zeros((32, 64), dtype=np.uint8)
            scene[: int(rng.integers(10, 22))] = 1
            mask = scene.copy()
            if boxes:
                top, left = int(rng.integers(2, 12)), int(rng.integers(2, 34))
                scene[top : top + 16, left : left + 24] = 2
                mask = np.array([0, 255, 1], dtype=np.uint8)[scene]
            noise = rng.normal(0, 10, (32, 64, 3))
            pixels = np.clip(COLOURS[scene] + noise, 0, 255).astype(np.uint8)
            for folder, values in (("images", pixels), ("masks", mask)):
                path = root / folder / split
                path.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(path / f"{number:02d}.png")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("incremental")
    _write(root / "old", boxes=False)
    _write(root / "new", boxes=True)
    done = run_trial(
        TrialTask(
            sweep_id="s",
            trial_id="t0",
            config={
                "arch": "lraspp",
                "backbone": "mobilenet_v3_small",
                "width": 0.5,
                "resolution": "32x64",
                "batch_size": 8,
                "learning_rate": 3e-3,
                "augmentation": 0.1,
            },
            seed=1,
            epochs=12,
            data=_old(root),
            training=TrainingConfig(threads=1, sample_images=0),
            target=TargetConfig(warmup=0, repeats=1, rounds=1),
            cache_dir=str(root / "cache"),
            output_dir=str(root / "trial"),
        ),
        LocalSession(),
    )
    assert done.state == "complete", done.reason
    assert done.metrics["miou"] > 0.6
    return root


def _old(root: Path) -> DataConfig:
    return DataConfig(format="folder", root=str(root / "old"), class_names=("ground", "sky"))


def _new(root: Path) -> DataConfig:
    return DataConfig(format="folder", root=str(root / "new"), class_names=("ground", "box"))


def _extend(root: Path, name: str, **settings: float) -> Extension:
    values = {"epochs": 6, "learning_rate": 2e-3, "augmentation": 0.1, **settings}
    return extend_model(
        load_trained(root / "trial"),
        old_data=_old(root),
        new_data=_new(root),
        new_classes=("box",),
        settings=ExtendConfig(**values),  # type: ignore[arg-type]
        cache_dir=root / "cache",
        folder=root / name,
        device=CPU,
    )


def test_consolidation_and_exemplars_reduce_forgetting(place: Path) -> None:
    naive = _extend(place, "naive", ewc=0, exemplars=0)
    replayed = _extend(place, "replayed", ewc=0, exemplars=8)
    held = _extend(place, "held", ewc=10, exemplars=0)
    assert naive.old_miou_before == pytest.approx(replayed.old_miou_before)
    assert naive.forgetting > 0.3
    assert replayed.forgetting < naive.forgetting / 2
    assert held.forgetting < naive.forgetting - 0.05
    assert replayed.new_miou > 0.3
    assert len(replayed.exemplars) == 8

    again = load_trained(place / "replayed")
    assert again.class_names == ("ground", "sky", "box")
    assert again.facts["extended"]["forgetting"] == pytest.approx(replayed.forgetting)
    with torch.inference_mode():
        assert again.module(torch.rand(1, 3, 32, 64)).shape == (1, 3, 32, 64)


def test_classes_that_do_not_fit_are_named(place: Path) -> None:
    with pytest.raises(ExtendError, match=r"has sky already; the new data has no class sky, cat"):
        extend_model(
            load_trained(place / "trial"),
            old_data=_old(place),
            new_data=_new(place),
            new_classes=("sky", "cat"),
            settings=ExtendConfig(),
            cache_dir=place / "cache",
            folder=place / "never",
            device=CPU,
        )
    assert not (place / "never").exists()


def test_an_extension_that_diverges_leaves_no_model(place: Path) -> None:
    with pytest.raises(ExtendError, match="not finite"):
        _extend(place, "hot", learning_rate=1e20, ewc=0)
    assert not (place / "hot").exists()


def test_a_model_that_diverged_is_not_extended(place: Path) -> None:
    """Scoring it before would find an mIoU, that of class 0 everywhere."""
    trained = load_trained(place / "trial")
    next(trained.module.parameters()).data.fill_(float("nan"))
    with pytest.raises(ExtendError, match="weights of the model are not finite"):
        extend_model(
            trained,
            old_data=_old(place),
            new_data=_new(place),
            new_classes=("box",),
            settings=ExtendConfig(),
            cache_dir=place / "cache",
            folder=place / "never",
            device=CPU,
        )
    assert not (place / "never").exists()
