from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.records import SweepRecords, TrialRecord, fold
from orchestrator.report.analysis import effort_of
from orchestrator.report.model import build_report
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import RecordState

TWO = (Objective("miou", "maximize"), Objective("latency_ms", "minimize"))


def trial(number: int, miou: float, latency: float, state: RecordState = "complete") -> TrialRecord:
    return TrialRecord(
        trial_id=f"t{number}",
        number=number,
        state=state,
        config={},
        metrics={"miou": miou, "latency_ms": latency},
        changed_at=float(number),
    )


def test_the_front_hypervolume_and_ends_of_three_points_by_hand() -> None:
    records = SweepRecords(trials=(trial(0, 0.5, 2.0), trial(1, 0.4, 1.0), trial(2, 0.3, 3.0)))
    report = build_report(
        records, TWO, sweep_id="s", reference_point={"miou": 0.0, "latency_ms": 4.0}
    )
    assert [row.trial_id for row in report.front] == ["t0", "t1"]
    assert report.best == {"miou": "t0", "latency_ms": "t1"}
    assert report.hypervolume == pytest.approx(0.5 * 2 + 0.4 * 1)
    assert [row.rank for row in report.rows] == [0, 0, 1]
    assert [point.hypervolume for point in report.curve] == pytest.approx([1.0, 1.4, 1.4])


def test_only_complete_trials_are_ranked() -> None:
    records = SweepRecords(trials=(trial(0, 0.5, 2.0), trial(1, 0.9, 1.0, "stopped")))
    report = build_report(records, TWO, sweep_id="s")
    assert [row.trial_id for row in report.front] == ["t0"]
    assert report.row("t1").rank is None
    assert report.completed == 1


def test_a_complete_trial_without_a_number_is_never_on_the_front() -> None:
    records = SweepRecords(trials=(trial(0, math.nan, 2.0), trial(1, 0.1, math.inf)))
    report = build_report(records, TWO, sweep_id="s")
    assert report.front == ()
    assert report.knee is None
    assert report.best == {}
    assert report.rows[0].objectives == {"miou": None, "latency_ms": 2.0}
    assert report.hypervolume == 0.0


def test_an_empty_sweep_has_a_report(objectives: tuple[Objective, ...]) -> None:
    report = build_report(SweepRecords(), objectives, sweep_id="s")
    assert (report.completed, report.front, report.curve) == (0, (), ())


def test_an_unknown_trial_is_named() -> None:
    with pytest.raises(KeyError, match="no trial 'x'"):
        build_report(SweepRecords(), TWO, sweep_id="s").row("x")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=12))
def test_the_front_is_what_brute_force_finds_and_the_curve_never_falls(
    values: list[tuple[int, int]],
) -> None:
    trials = tuple(trial(n, miou / 10, latency) for n, (miou, latency) in enumerate(values))
    report = build_report(SweepRecords(trials=trials), TWO, sweep_id="s")
    expected = {
        f"t{n}"
        for n, (m, c) in enumerate(values)
        if not any(a >= m and b <= c and (a, b) != (m, c) for a, b in values)
    }
    assert {row.trial_id for row in report.front} == expected
    assert report.knee in expected
    volumes = [point.hypervolume for point in report.curve]
    assert all(b >= a - 1e-12 for a, b in pairwise(volumes))
    assert volumes[-1] == pytest.approx(report.hypervolume)


def test_effort_counts_what_was_spared(demo_events: Callable[..., list[SweepEvent]]) -> None:
    records = fold(demo_events(12, epochs=4))
    effort = effort_of(records, epochs=4, workers_per_trial=2)
    stopped, infeasible = records.counts["stopped"], records.counts["infeasible"]
    assert effort.epochs == 4 * records.counts["complete"] + stopped
    assert effort.stop_epochs_saved == 3 * stopped
    assert effort.gate_epochs_saved == 4 * infeasible
    busy = sum(record.busy_seconds for record in records.trials)
    assert effort.device_hours == pytest.approx(2 * busy / 3600)
    saved = (effort.stop_epochs_saved + effort.gate_epochs_saved) * effort.device_hours
    assert effort.device_hours_saved == pytest.approx(saved / effort.epochs)


def test_nothing_is_estimated_without_a_budget() -> None:
    assert effort_of(SweepRecords()).device_hours_saved is None
