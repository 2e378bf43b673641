from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.ledger.records import SweepRecords, TrialRecord, fold
from orchestrator.report.model import build_report
from orchestrator.report.plot.axes import choose_axes
from orchestrator.report.plot.html import hover_text, to_html

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.spec.objectives import Objective


def test_the_page_needs_no_network_and_names_every_complete_trial(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> None:
    report = build_report(fold(demo_events(12)), objectives, sweep_id="demo")
    page = to_html(report)
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)
    data = page[page.rindex("Plotly.newPlot(") :]
    complete = {row.trial_id for row in report.rows if row.state == "complete"}
    assert all(f'"{trial}"' in data for trial in complete)


def test_hover_tells_the_configuration_and_escapes_it(objectives: tuple[Objective, ...]) -> None:
    trial = TrialRecord(
        trial_id="t", number=0, state="complete", config={"arch": "<b>"}, metrics={"flops": 2e9}
    )
    report = build_report(SweepRecords(trials=(trial,)), objectives, sweep_id="s")
    text = hover_text(report.rows[0], choose_axes(report))
    assert "arch = &lt;b&gt;" in text
    assert "FLOPs (G): 2.000" in text
    assert "mIoU: -" in text
