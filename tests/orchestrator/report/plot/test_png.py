from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from orchestrator.ledger.events import TrialEnded
from orchestrator.ledger.records import SweepRecords, fold
from orchestrator.report.model import build_report
from orchestrator.report.plot.axes import FRONT_COLOUR
from orchestrator.report.plot.png import draw, to_png
from trainables.session.messages import UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.objectives import Objective


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
