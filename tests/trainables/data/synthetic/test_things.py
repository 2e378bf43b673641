from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from trainables.data.synthetic import ids
from trainables.data.synthetic.backdrop import draw_building, draw_skyline, draw_tree
from trainables.data.synthetic.camera import Camera
from trainables.data.synthetic.canvas import Canvas
from trainables.data.synthetic.light import Light
from trainables.data.synthetic.things import draw_car, draw_lamp, draw_person, draw_sign

if TYPE_CHECKING:
    from collections.abc import Callable


def seen(draw: Callable[..., None], **place: float) -> dict[int, int]:
    rng = np.random.default_rng(0)
    camera, light = Camera.draw(rng, 200, 300), Light.draw(rng)
    canvas = Canvas(np.zeros((100, 150, 3)), np.zeros((100, 150), dtype=np.uint8), 2)
    draw(canvas, camera, light, rng, **place)
    values, counts = np.unique(canvas.finish(2)[1], return_counts=True)
    return {int(v): int(c) for v, c in zip(values, counts, strict=True) if v}


@pytest.mark.parametrize(
    ("draw", "labels"),
    [
        (draw_car, {ids.CAR}),
        (draw_person, {ids.PERSON}),
        (draw_lamp, {ids.POLE}),
        (draw_sign, {ids.POLE, ids.TRAFFIC_SIGN}),
        (draw_tree, {ids.VEGETATION}),
    ],
)
def test_objects_are_labelled_and_larger_when_nearer(
    draw: Callable[..., None], labels: set[int]
) -> None:
    near, far = seen(draw, x=0.5, z=8.0), seen(draw, x=0.5, z=24.0)
    assert set(near) == labels
    assert sum(near.values()) > 2 * sum(far.values()) > 0


def test_houses_and_the_skyline_are_buildings() -> None:
    assert set(seen(draw_building, x=5, side=1, start=6, end=20)) == {ids.BUILDING}
    assert set(seen(draw_skyline)) <= {ids.BUILDING, ids.VEGETATION}
