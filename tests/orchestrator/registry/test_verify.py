from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from orchestrator.registry.verify import score, validation_set
from orchestrator.spec.parse import load_spec
from search_spaces.resolution import Resolution

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Resolution(64, 96)


@pytest.mark.parametrize(
    ("settings", "scored_at", "size"),
    [
        (["space.resolution=[64x96, 96x128]"], None, (96, 128)),
        (["space.resolution=[64x96, 96x128]", "training.eval_resolution=32x48"], None, (32, 48)),
        (["space.resolution=[64x96, 96x128]"], "48x64", (48, 64)),
    ],
)
def test_masks_have_the_resolution_that_trials_are_scored_at(
    tmp_path: Path, settings: list[str], scored_at: str | None, size: tuple[int, int]
) -> None:
    images = ["data.synthetic_train_images=4", "data.synthetic_val_images=2"]
    spec = load_spec(overrides=[f"storage.root={tmp_path}", "teacher=null", *images, *settings])
    ground = validation_set(spec, SMALL, scored_at)
    assert ground.size == size
    assert np.load(ground.images).shape == (2, 64, 96, 3)


def test_the_score_is_the_miou_of_one_confusion_matrix() -> None:
    truth = np.array([[[0, 0, 1, 255]], [[1, 1, 0, 0]]], dtype=np.uint8)
    masks = np.array([[[0, 1, 1, 0]], [[1, 1, 0, 1]]], dtype=np.uint8)
    # class 0: 2 of 4 pixels in the union; class 1: 3 of 5; the ignored pixel counts nowhere
    assert score(masks, truth, 2) == pytest.approx((2 / 4 + 3 / 5) / 2)
