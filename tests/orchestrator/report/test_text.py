from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from orchestrator.ledger.events import TrialAsked, TrialEnded
from orchestrator.ledger.records import SweepRecords, fold
from orchestrator.report.markdown import to_markdown
from orchestrator.report.model import build_report
from orchestrator.report.plot.html import to_html
from orchestrator.report.text import (
    brief,
    common_reason,
    counts_line,
    disturbed_line,
    summary,
    to_csv,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.objectives import Objective


@pytest.fixture
def report(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> SweepReport:
    return build_report(fold(demo_events(12)), objectives, sweep_id="demo", epochs=4)


def test_json_has_every_trial_and_a_front_of_their_ids(report: SweepReport) -> None:
    told = json.loads(to_json(report))
    ids = [trial["id"] for trial in told["trials"]]
    assert ids == [f"t{n:05d}" for n in range(12)]
    assert set(told["front"]) <= set(ids)
    assert told["completed"] == sum(trial["state"] == "complete" for trial in told["trials"])
    assert {"sweep_id", "hypervolume", "reference_point"} <= set(told)
    by_id = {trial["id"]: trial for trial in told["trials"]}
    assert all(by_id[front]["pareto_rank"] == 0 for front in told["front"])
    assert set(by_id[told["front"][0]]["objectives"]) == {"miou", "latency_ms", "flops"}


def test_csv_gives_back_the_figures(report: SweepReport) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(report))))
    assert len(rows) == 12
    for told, row in zip(rows, report.rows, strict=True):
        value = row.objectives["miou"]
        assert told["miou"] == ("" if value is None else str(value))
        assert told["config.backbone"] == row.config["backbone"]


def test_the_terminal_shows_every_front_trial(report: SweepReport) -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(summary(report))
    text = console.export_text()
    assert all(row.trial_id in text for row in report.front)
    assert "mIoU ↑" in text
    assert f"{report.knee} ★" in text
    assert f"hypervolume {100 * report.hypervolume_share:.1f} % of a perfect trial's" in text


def test_without_a_complete_trial_there_is_a_plain_sentence(
    objectives: tuple[Objective, ...],
) -> None:
    empty = build_report(SweepRecords(), objectives, sweep_id="demo")
    console = Console(record=True, file=io.StringIO())
    console.print(summary(empty))
    assert "no trial is complete" in console.export_text()
    assert counts_line(empty) == "no trials"
    assert json.loads(to_json(empty))["front"] == []


def test_brief_leaves_out_what_is_not_there(report: SweepReport) -> None:
    row = next(row for row in report.rows if row.config["quantization"] == "none")
    assert "none" not in brief(row.config)
    assert f"os{row.config['output_stride']}" in brief(row.config)


def test_a_disturbed_latency_is_marked_wherever_it_is_shown(report: SweepReport) -> None:
    first, *others = report.front
    marked = replace(first, metrics={**first.metrics, "latency_undisturbed": 0.0})
    rows = tuple(marked if row == first else row for row in report.rows)
    disturbed = replace(report, rows=rows, front=(marked, *others))
    assert marked.shown("latency_ms") == f"~{first.shown('latency_ms')}"
    assert marked.shown("miou") == first.shown("miou")
    assert f"other load: {first.trial_id};" in disturbed_line(disturbed)
    assert disturbed_line(report) == ""
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(summary(disturbed))
    text = console.export_text()
    assert f"~{first.shown('latency_ms')}" in text
    assert "latency disturbed by other load" in text
    by_id = {trial["id"]: trial for trial in json.loads(to_json(disturbed))["trials"]}
    assert by_id[first.trial_id]["latency_undisturbed"] is False


def test_the_most_frequent_reason_counts_reasons_that_differ_in_numbers(
    objectives: tuple[Objective, ...],
) -> None:
    reasons = [
        ("failed", "the loader died"),
        ("infeasible", "params = 2.4e+07 breaks params <= 2e+07"),
        ("infeasible", "params = 3.1e+08 breaks params <= 2e+07"),
    ]
    events: list[SweepEvent] = []
    for number, (state, reason) in enumerate(reasons):
        name = f"t{number:05d}"
        events.append(TrialAsked(trial_id=name, number=number, config={"arch": "deeplabv3"}))
        events.append(TrialEnded(trial_id=name, state=state, reason=reason, seconds=1.0))  # type: ignore[arg-type]
    report = build_report(fold(events), objectives, sweep_id="demo")
    line = "most frequent reason (2 of 3 trials infeasible): params = 2.4e+07 breaks params"
    assert common_reason(report).startswith(line)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(summary(report))
    assert line in console.export_text()
    empty = build_report(SweepRecords(trials=(), seconds=0), objectives, sweep_id="x")
    assert common_reason(empty) == ""


def test_the_warnings_of_the_data_are_in_every_form_of_the_report(report: SweepReport) -> None:
    lines = tuple(f"class 'c{n}' has no pixel | <b>" for n in range(7))
    warned = replace(report, data_warnings=lines)
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(summary(warned))
    assert "data: class 'c6' has no pixel | <b>" in console.export_text()
    assert json.loads(to_json(warned))["data_warnings"] == list(lines)
    assert "data: class &#x27;c6&#x27; has no pixel | &lt;b&gt;" in to_html(warned)
    note = to_markdown(warned)
    assert "- data: class 'c4' has no pixel" in note
    assert "- 2 more warnings of the data check" in note
