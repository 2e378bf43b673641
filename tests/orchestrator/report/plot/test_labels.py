from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.figure import Figure

from orchestrator.report.plot.labels import place_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from orchestrator.report.plot.labels import Boxes

DOTS = [(float(x), float(y)) for x in range(10) for y in range(10)]


@pytest.fixture
def plot() -> Axes:
    axes = Figure(figsize=(6, 4)).subplots()
    axes.set_xlim(-1, 10)
    axes.set_ylim(-1, 10)
    return axes


def overlaps(boxes: Boxes) -> bool:
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    return any((a[:2] < b[2:]).all() and (b[:2] < a[2:]).all() for a, b in pairs)


def test_labels_overlap_no_dot_and_no_other_label(plot: Axes) -> None:
    dots = DOTS[::7]
    boxes = place_labels(plot, [(x, y, "name") for x, y in dots], dots, dots[:1], most=20)
    assert 0 < len(boxes) == len(plot.texts)
    assert not overlaps(boxes)
    pixels = plot.transData.transform(dots)
    inside = (pixels[:, None] > boxes[:, :2]) & (pixels[:, None] < boxes[:, 2:])
    assert not inside.all(axis=2).any()


def test_a_label_without_a_free_position_is_omitted(plot: Axes) -> None:
    wide = "a label that is much too long for its plot, whatever side of the dot it is on " * 2
    boxes = place_labels(plot, [(5, 5, wide), (0, 0, "b")], [(5, 5), (0, 0)], [(0, 0)], most=2)
    assert [text.get_text() for text in plot.texts] == ["b"]
    assert len(boxes) == 1


def test_no_more_labels_than_asked_for_in_order_of_importance(plot: Axes) -> None:
    names = [(1.0, 1.0, "a"), (5.0, 5.0, "b"), (8.0, 8.0, "c")]
    place_labels(plot, names, [(1, 1), (5, 5), (8, 8)], [(0, 0)], most=2)
    assert [text.get_text() for text in plot.texts] == ["a", "b"]


def test_distant_positions_avoid_occupied_boxes(plot: Axes) -> None:
    x, y = plot.transData.transform((5.0, 5.0))
    occupied = np.array([[x - 30, y - 30, x + 30, y + 30]])
    near = place_labels(plot, [(5, 5, "a")], [(5, 5)], [(0, 0)], most=1, keep_off=occupied)
    assert len(near) == 0
    far = place_labels(plot, [(5, 5, "a")], [(5, 5)], [(0, 0)], most=1, keep_off=occupied, far=True)
    assert not overlaps(np.vstack([occupied, far]))
    assert len(far) == 1
