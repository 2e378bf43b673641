"""The front as a PNG image."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from orchestrator.ledger.events import TrialEnded
from orchestrator.ledger.records import SweepRecords, fold
from orchestrator.report.model import build_report
from orchestrator.report.plot.axes import FRONT_COLOUR
from orchestrator.report.plot.png import draw, place_labels, to_png
from trainables.session.messages import UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from orchestrator.report.plot.png import Boxes
    from orchestrator.spec.objectives import Objective

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


@pytest.fixture
def report(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> SweepReport:
    return build_report(fold(demo_events(20)), objectives, sweep_id="demo")


def test_every_complete_trial_is_a_dot(report: SweepReport) -> None:
    plot = draw(report).axes[0]
    dots = {str(dots.get_label()): len(np.asarray(dots.get_offsets())) for dots in plot.collections}
    front = len(report.front)
    assert dots["on the front"] == front
    assert dots["dominated"] == report.completed - front
    assert dots[f"knee point ({report.knee})"] == 1


def test_the_picture_shows_the_fronts_colour(report: SweepReport) -> None:
    pixels = np.asarray(Image.open(BytesIO(to_png(report, dpi=60))).convert("RGB"))
    wanted = np.array([int(FRONT_COLOUR[i : i + 2], 16) for i in (1, 3, 5)])
    assert (np.abs(pixels.astype(int) - wanted).max(axis=-1) < 8).sum() > 30


def test_disturbed_latencies_are_marked(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> None:
    events = [
        replace(event, metrics={**event.metrics, UNDISTURBED: 0.0})
        if isinstance(event, TrialEnded) and event.state == "complete" and index % 2
        else event
        for index, event in enumerate(demo_events(20))
    ]
    report = build_report(fold(events), objectives, sweep_id="demo")
    marked = [row for row in report.rows if row.state == "complete" and row.disturbed]
    dots = {
        str(d.get_label()): len(np.asarray(d.get_offsets()))
        for d in draw(report).axes[0].collections
    }
    assert marked
    assert dots["latency disturbed (~)"] == len(marked)


def test_names_do_not_lie_on_each_other(report: SweepReport) -> None:
    plot = draw(report).axes[0]
    boxes = [text.get_window_extent() for text in plot.texts]
    assert boxes
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


def test_an_empty_sweep_says_so(objectives: tuple[Objective, ...]) -> None:
    plot = draw(build_report(SweepRecords(), objectives, sweep_id="s")).axes[0]
    assert [text.get_text() for text in plot.texts] == ["no trial is complete"]
