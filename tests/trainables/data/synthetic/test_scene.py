from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from trainables.data.synthetic import ids
from trainables.data.synthetic.scene import draw_scene

if TYPE_CHECKING:
    from numpy.typing import NDArray


def scene(
    seed: int, height: int = 72, width: int = 96
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return draw_scene(np.random.default_rng(seed), height, width)


def test_a_scene_has_the_given_size() -> None:
    picture, labels = scene(0, 50, 70)
    assert picture.shape == (50, 70, 3)
    assert labels.shape == (50, 70)
    assert picture.dtype == labels.dtype == np.uint8


def test_the_same_seed_gives_the_same_scene_and_others_differ() -> None:
    first, again, other = scene(1), scene(1), scene(2)
    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()
    assert (first[1] != other[1]).any()


def test_all_classes_occur_and_nothing_else() -> None:
    seen = {int(raw) for seed in range(13, 17) for raw in np.unique(scene(seed)[1])}
    drawn = {value for name, value in vars(ids).items() if name.isupper() and name != "CLASS_NAMES"}
    assert seen == drawn


@pytest.mark.parametrize("seed", range(4))
def test_the_sky_is_above_and_the_road_below(seed: int) -> None:
    labels = scene(seed)[1]
    rows = np.arange(labels.shape[0])[:, None] * np.ones(labels.shape[1])
    assert rows[labels == ids.ROAD].mean() > 48
    assert rows[labels == ids.SKY].mean() < 30


def test_the_light_varies() -> None:
    brightness = [scene(seed)[0].mean() for seed in range(12)]
    assert max(brightness) - min(brightness) > 40
