from __future__ import annotations

import numpy as np

from trainables.data.synthetic.canvas import Canvas


def blank() -> Canvas:
    return Canvas(np.full((10, 20, 3), 50.0), np.full((10, 20), 7, dtype=np.uint8), 2)


def test_near_shapes_occlude_far_ones_in_picture_and_labels() -> None:
    canvas = blank()
    canvas.polygon([(0, 0), (19, 0), (19, 19), (0, 19)], (200, 0, 0), 11)
    canvas.ellipse((10, 10), (4, 4), (0, 0, 200), 26)
    picture, labels = canvas.finish(2)
    assert labels[1, 1] == 11
    assert labels[5, 5] == 26
    assert labels[5, 15] == 7
    assert picture[5, 5].tolist() == [0, 0, 200]
    assert picture[1, 1].tolist() == [200, 0, 0]


def test_shadows_darken_and_keep_the_label() -> None:
    canvas = blank()
    canvas.shadow((20, 10), (6, 6), 0.5)
    picture, labels = canvas.finish(2)
    assert (labels == 7).all()
    assert picture[5, 10].mean() < 35
    assert picture[0, 0].mean() == 50


def test_picture_edges_are_smooth_and_label_edges_are_not() -> None:
    canvas = blank()
    canvas.polygon([(0, 0), (20, 0), (20, 19), (0, 19)], (250, 250, 250), 11)
    picture, labels = canvas.finish(2)
    assert 50 < picture[5, 10].mean() < 250
    assert set(np.unique(labels)) == {7, 11}
