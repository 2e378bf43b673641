"""The report as text."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from orchestrator.ledger.events import TrialAsked, TrialEnded
from orchestrator.ledger.records import SweepRecords, TrialRecord, fold
from orchestrator.report.model import build_report
from orchestrator.report.plot.html import to_html
from orchestrator.report.text import (
    MAX_CHARACTERS,
    brief,
    common_reason,
    counts_line,
    disturbed_line,
    micro_batches_line,
    summary,
    to_csv,
    to_json,
    to_markdown,
)
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from search_spaces.domains import Value


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
    assert " w" not in brief(row.config)


def test_brief_names_the_width_of_a_backbone() -> None:
    config: dict[str, Value] = {
        "arch": "lraspp",
        "backbone": "mobilenet_v2",
        "width": 0.5,
        "output_stride": 16,
    }
    assert brief(config) == "lraspp mobilenet_v2 w0.5 os16"


def test_micro_batches_are_named_wherever_a_trial_is_described(report: SweepReport) -> None:
    first, *others = report.front
    halved = replace(first, metrics={**first.metrics, "micro_batches": 4.0})
    rows = tuple(halved if row == first else row for row in report.rows)
    marked = replace(report, rows=rows, front=(halved, *others))
    assert f"ran out: {first.trial_id} (4);" in micro_batches_line(marked)
    assert micro_batches_line(report) == ""
    by_id = {trial["id"]: trial for trial in json.loads(to_json(marked))["trials"]}
    assert by_id[first.trial_id]["micro_batches"] == 4
    assert all("micro_batches" not in by_id[row.trial_id] for row in others)
    cells = {row["trial"]: row for row in csv.DictReader(io.StringIO(to_csv(marked)))}
    assert float(cells[first.trial_id]["micro_batches"]) == 4
    assert "trained in 4 micro-batches" in to_html(marked)
    assert "micro-batches" not in to_html(report)


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
