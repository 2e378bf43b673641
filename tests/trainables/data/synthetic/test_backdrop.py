from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainables.data.synthetic import ids
from trainables.data.synthetic.backdrop import draw_building, draw_skyline
from trainables.data.synthetic.camera import Camera
from trainables.data.synthetic.canvas import Canvas
from trainables.data.synthetic.light import Light

if TYPE_CHECKING:
    from numpy.typing import NDArray


def drawn(seed: int, *, house: bool) -> tuple[Camera, NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    camera, light = Camera.draw(rng, 200, 300), Light.draw(rng)
    canvas = Canvas(np.zeros((100, 150, 3)), np.zeros((100, 150), dtype=np.uint8), 2)
    if house:
        draw_building(canvas, camera, light, rng, x=5, side=1, start=6, end=20)
    else:
        draw_skyline(canvas, camera, light, rng)
    return camera, canvas.finish(2)[1]


def test_a_house_on_the_right_is_drawn_there_above_the_horizon() -> None:
    camera, labels = drawn(0, house=True)
    rows, columns = np.nonzero(labels == ids.BUILDING)
    assert columns.min() * 2 > camera.centre
    assert rows.min() * 2 < camera.horizon < rows.max() * 2


def test_the_skyline_spans_the_whole_width() -> None:
    _, labels = drawn(1, house=False)
    assert set(np.unique(labels)) == {0, ids.BUILDING, ids.VEGETATION}
    assert ((labels == ids.BUILDING) | (labels == ids.VEGETATION)).any(axis=0).mean() > 0.95
