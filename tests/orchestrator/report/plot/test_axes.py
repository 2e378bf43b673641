from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.ledger.records import SweepRecords, TrialRecord, fold
from orchestrator.report.model import build_report
from orchestrator.report.plot.axes import choose_axes, drawable, span, staircase, value_of
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport


def report_of(objectives: Sequence[Objective]) -> SweepReport:
    trial = TrialRecord(
        trial_id="t",
        number=0,
        state="complete",
        config={},
        metrics={"miou": 0.5, "latency_ms": 2.0, "flops": 3e9, "params": 1e6},
    )
    return build_report(SweepRecords(trials=(trial,)), objectives, sweep_id="s")


def test_accuracy_goes_up_latency_right_and_flops_are_colour_in_any_order() -> None:
    axes = choose_axes(
        report_of(
            [
                Objective("flops", "minimize"),
                Objective("latency_ms", "minimize"),
                Objective("miou", "maximize"),
            ]
        )
    )
    assert (axes.y.name, axes.x.name, axes.colour) == ("miou", "latency_ms", "flops")


def test_flops_are_colour_where_they_are_no_objective() -> None:
    axes = choose_axes(report_of([Objective("miou", "maximize"), Objective("params", "minimize")]))
    assert (axes.x.name, axes.colour) == ("params", "flops")


def test_one_objective_is_drawn_over_flops() -> None:
    axes = choose_axes(report_of([Objective("miou", "maximize")]))
    assert (axes.y.name, axes.x.name, axes.colour) == ("miou", "flops", "params")


def test_values_are_shown_in_their_unit() -> None:
    report = report_of([Objective("miou", "maximize")])
    assert span(report.rows, "flops") == (3.0, 3.0)
    assert span(report.rows, "energy_joules") is None


def test_the_staircase_rises_from_left_to_right(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> None:
    report = build_report(fold(demo_events(40)), objectives, sweep_id="s")
    axes = choose_axes(report)
    stairs = staircase(drawable(report, axes), axes)
    right = [value_of(row, "latency_ms") for row in stairs]
    up = [value_of(row, "miou") for row in stairs]
    assert len(stairs) >= 3
    assert right == sorted(right)
    assert up == sorted(up)
