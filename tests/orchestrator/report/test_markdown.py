from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.ledger.records import SweepRecords, TrialRecord, fold
from orchestrator.report.markdown import MAX_CHARACTERS, to_markdown
from orchestrator.report.model import build_report
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent


def test_the_page_has_picture_links_and_one_row_per_front_trial(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> None:
    report = build_report(fold(demo_events(12)), objectives, sweep_id="demo")
    links = {row.trial_id: f"#/runs/{row.trial_id}" for row in report.rows}
    page = to_markdown(
        report,
        picture="get-artifact?path=p.png",
        trial_links=links,
        views=[("Charts", "#/view")],
        facts=[("seed", "0")],
    )
    assert "![Pareto front](get-artifact?path=p.png)" in page
    assert "**[Charts](#/view)**" in page
    assert "- seed: 0" in page
    linked = [row for row in report.rows if f"[{row.trial_id}](#/runs/{row.trial_id})" in page]
    assert {row.trial_id for row in linked} == {row.trial_id for row in report.front}


def test_a_long_front_is_cut_and_the_rest_counted() -> None:
    two = (Objective("miou", "maximize"), Objective("latency_ms", "minimize"))
    trials = tuple(
        TrialRecord(
            trial_id=f"t{n}",
            number=n,
            state="complete",
            config={"backbone": "x" * 60},
            metrics={"miou": n / 1000, "latency_ms": float(n + 1)},
        )
        for n in range(300)
    )
    report = build_report(SweepRecords(trials=trials), two, sweep_id="s")
    page = to_markdown(report)
    shown = sum(line.startswith("| t") for line in page.splitlines()) - 1
    assert len(page) <= MAX_CHARACTERS
    assert f"{300 - shown} more are in" in page
    assert "hypervolume" in page


def test_a_cell_cannot_break_the_table() -> None:
    one = (Objective("miou", "maximize"),)
    trial = TrialRecord(
        trial_id="t", number=0, state="complete", config={"arch": "a|b"}, metrics={"miou": 0.5}
    )
    page = to_markdown(build_report(SweepRecords(trials=(trial,)), one, sweep_id="s"))
    assert "a\\|b" in page
