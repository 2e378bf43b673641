"""What the report says of the test split."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from orchestrator.ledger.events import TrialExamined
from orchestrator.ledger.records import fold
from orchestrator.report.analysis.held_out import kendall_tau
from orchestrator.report.markdown import to_markdown
from orchestrator.report.model import build_report
from orchestrator.report.plot.html import to_html
from orchestrator.report.tables.deployables import deployable_html
from orchestrator.report.tables.held_out import held_out_line
from orchestrator.report.text import summary, to_csv, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.objectives import Objective


@pytest.fixture
def make(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> Callable[..., SweepReport]:
    """Return a function that reports a sweep whose front got these scores, or these failures."""

    def report(*found: float | str) -> SweepReport:
        events = demo_events(12)
        front = build_report(fold(events), objectives, sweep_id="demo").front
        for row, value in zip(front, found, strict=False):
            failed = isinstance(value, str)
            events.append(
                TrialExamined(
                    trial_id=row.trial_id,
                    kind="test",
                    metrics={} if failed else {"test_miou": float(value)},
                    reason=str(value) if failed else "",
                )
            )
        return build_report(fold(events), objectives, sweep_id="demo")

    return report


def falling(report: SweepReport) -> list[float]:
    """Return scores that keep the order of the front by mIoU, a tenth below."""
    return [row.metrics["miou"] - 0.1 for row in report.front]


def shown(report: SweepReport) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(summary(report))
    return console.export_text()


@pytest.mark.parametrize(
    ("one", "other", "tau"),
    [
        ([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5], 1.0),
        ([0.1, 0.2, 0.3, 0.4], [0.5, 0.4, 0.3, 0.2], -1.0),
        ([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.5, 0.4], 2 / 3),  # five pairs agree, one does not
    ],
)
def test_tau_is_that_of_the_pairs(one: list[float], other: list[float], tau: float) -> None:
    found, reason = kendall_tau(one, other)
    assert found == pytest.approx(tau)
    assert reason == ""


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ([], [], "needs two scored trials, got 0"),
        ([0.5], [0.4], "needs two scored trials, got 1"),
        ([0.5, 0.5], [0.4, 0.3], "all trials of the front have the same mIoU"),
    ],
)
def test_without_two_orders_there_is_no_tau_but_a_reason(
    one: list[float], other: list[float], reason: str
) -> None:
    tau, why = kendall_tau(one, other)
    assert tau is None
    assert why.startswith(reason)


def test_every_form_of_the_report_has_the_scores(make: Callable[..., SweepReport]) -> None:
    scores = falling(make())
    report = make(*scores)
    assert len(report.front) >= 3
    assert [row.test_miou for row in report.front] == scores
    told = json.loads(to_json(report))
    assert told["test"] == {
        "scored": len(scores),
        "kendall_tau": 1.0,
        "reason": "",
        "failed": {},
    }
    by_id = {trial["id"]: trial["test_miou"] for trial in told["trials"]}
    assert [by_id[trial] for trial in told["front"]] == scores
    assert sum(value is not None for value in by_id.values()) == len(scores)
    rows = {row["trial"]: row["test_miou"] for row in csv.DictReader(io.StringIO(to_csv(report)))}
    assert [float(rows[trial]) for trial in told["front"]] == scores
    assert list(rows.values()).count("") == len(rows) - len(scores)
    for text in (shown(report), to_markdown(report), to_html(report)):
        assert "test mIoU" in text
        assert "Kendall's tau between the splits 1.00" in text.replace("&#x27;", "'")
        assert all(f"{score:.4f}" in text for score in scores)
    assert "<td>-0.1000</td>" in deployable_html(report)


def test_the_line_says_how_far_the_scores_fell(make: Callable[..., SweepReport]) -> None:
    report = make(*falling(make()))
    mean = sum(row.metrics["miou"] for row in report.front) / len(report.front)
    assert f"mean mIoU {mean - 0.1:.4f}, on val {mean:.4f}" in held_out_line(report)


def test_a_failed_score_is_named_and_the_others_stand(make: Callable[..., SweepReport]) -> None:
    failing = make("a file | is torn", *falling(make())[1:])
    told = json.loads(to_json(failing))["test"]
    assert told["failed"] == {failing.front[0].trial_id: "a file | is torn"}
    assert told["scored"] == len(failing.front) - 1
    assert "<td>a file | is torn</td>" in deployable_html(failing)


def test_one_score_gives_no_tau(make: Callable[..., SweepReport]) -> None:
    told = json.loads(to_json(make(0.3)))["test"]
    assert told["kendall_tau"] is None
    assert "needs two scored trials" in told["reason"]
    assert "no Kendall's tau: needs two scored trials" in shown(make(0.3)).replace("\n", " ")


def test_without_a_test_split_the_report_is_as_before(make: Callable[..., SweepReport]) -> None:
    report = make()
    told = json.loads(to_json(report))
    assert "test" not in told
    assert "test_miou" not in told["trials"][0]
    assert "test_miou" not in to_csv(report)
    assert all("test mIoU" not in text for text in (shown(report), to_markdown(report)))
