from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import (
    EpochReported,
    SweepEvent,
    TrialAsked,
    TrialEnded,
    TrialJudged,
    TrialStarted,
)
from orchestrator.ledger.records import RecordBook, SweepRecords, TrialRecord, fold
from orchestrator.spec.objectives import Objective
from orchestrator.spec.sweep_spec import SweepBudget
from orchestrator.sweep.budgets import Stagnation, TimeLeft, TimeLeftModel, time_left

OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
NUMBERS = itertools.count()


def trial(rule: Stagnation, miou: float, flops: float, state: str = "complete") -> None:
    name = f"t{next(NUMBERS)}"
    book = RecordBook()
    for event in (
        TrialAsked(trial_id=name, number=0, config={}, known={"flops": flops}),
        EpochReported(trial_id=name, epoch=1, metrics={"miou": miou}),
        TrialEnded(trial_id=name, state=state),  # type: ignore[arg-type]
    ):
        rule.observe(event, book.observe(event))


def test_it_is_reached_after_so_many_trials_without_growth() -> None:
    rule = Stagnation(OBJECTIVES, patience=3)
    for i in range(8):
        trial(rule, 0.1 + 0.05 * i, 10 + i)
    for miou in (0.2, 0.3):
        trial(rule, miou, 30)
    assert not rule.reached
    trial(rule, 0.1, 12)
    assert rule.reached


def test_growth_begins_the_count_anew_and_failures_are_not_counted() -> None:
    rule = Stagnation(OBJECTIVES, patience=2)
    for i in range(8):
        trial(rule, 0.1 + 0.05 * i, 10 + i)
    trial(rule, 0.05, 17)
    trial(rule, 0.9, 5)
    trial(rule, 0.05, 16, state="failed")
    trial(rule, 0.05, 16, state="infeasible")
    trial(rule, 0.05, 16, state="stopped")
    assert not rule.reached
    trial(rule, 0.05, 16)
    assert rule.reached


def test_without_patience_it_is_never_reached() -> None:
    rule = Stagnation(OBJECTIVES, patience=None)
    for _ in range(50):
        trial(rule, 0.1, 10)
    assert not rule.reached


EPOCHS = 4
PACE = 10.0
WHOLE = EPOCHS * PACE


def budget(
    trials: int = 1000, hours: float | None = None, patience: int | None = None
) -> SweepBudget:
    return SweepBudget(trials=trials, epochs=EPOCHS, device_hours=hours, stagnation_trials=patience)


def ended(number: int, epochs: int = EPOCHS, state: str = "complete") -> TrialRecord:
    return TrialRecord(
        trial_id=f"t{number}",
        number=number,
        state=state,  # type: ignore[arg-type]
        config={},
        epochs_done=epochs,
        attempts=1,
        busy_seconds=epochs * PACE,
    )


def running(number: int, epochs: int) -> TrialRecord:
    """Return a trial that is on its lane since ``epochs`` epochs."""
    end = 1000.0
    return replace(
        ended(number, epochs, "running"),
        busy_seconds=0.0,
        started_at=end - epochs * PACE,
        changed_at=end,
    )


def paused(number: int, epochs: int) -> TrialRecord:
    verdict = TrialJudged(trial_id=f"t{number}", action="pause", rung=epochs, rank=2, of=2)
    return replace(ended(number, epochs, "running"), verdict=verdict)


def left(
    *trials: TrialRecord,
    lanes: int = 1,
    workers: int = 1,
    since: int | None = None,
    **budgets: float,
) -> TimeLeft | None:
    return time_left(
        SweepRecords(trials=trials),
        budget(**budgets),  # type: ignore[arg-type]
        lanes=lanes,
        workers_per_trial=workers,
        stagnation_trials_left=since,
    )


def test_nothing_is_estimated_before_the_first_epoch() -> None:
    assert left() is None
    assert left(running(0, 0)) is None
    assert left(ended(0, 0, "failed"), trials=5) is None


def test_trials_alone() -> None:
    assert left(ended(0), trials=4) == TimeLeft(seconds=3 * WHOLE, ends_by="trials")
    assert left(ended(0), lanes=3, trials=4) == TimeLeft(seconds=WHOLE, ends_by="trials")
    assert left(running(0, 1), trials=1) == TimeLeft(seconds=3 * PACE, ends_by="trials")
    assert left(ended(0), ended(1), trials=2) == TimeLeft(seconds=0.0, ends_by="trials")


def test_lanes_are_idle_at_the_end() -> None:
    """Five trials on two lanes take the time of three, and the last running one is not shared."""
    assert left(ended(0), lanes=2, trials=6) == TimeLeft(seconds=3 * WHOLE, ends_by="trials")
    found = left(ended(0), running(1, 1), lanes=8, trials=2)
    assert found == TimeLeft(seconds=3 * PACE, ends_by="trials")


def test_device_hours_end_the_proposals_and_running_trials_finish() -> None:
    # Worker-seconds count when a trial ends: at 40 begins the second, at 80 the third, at 120 none.
    hours = 100 / 3600
    assert left(ended(0), hours=hours) == TimeLeft(seconds=2 * WHOLE, ends_by="device_hours")
    # Two lanes: the ends at 40 count 80 of 100, so each lane begins one more.
    found = left(running(0, 0), running(1, 0), ended(2), lanes=2, hours=140 / 3600)
    assert found == TimeLeft(seconds=2 * WHOLE, ends_by="device_hours")
    assert left(ended(0), ended(1), ended(2), hours=hours) == TimeLeft(
        seconds=0.0, ends_by="device_hours"
    )
    # Beyond the hours the running one still has three epochs to go.
    found = left(ended(0), ended(1), ended(2), running(3, 1), hours=hours)
    assert found == TimeLeft(seconds=3 * PACE, ends_by="device_hours")


def test_every_worker_of_a_lane_uses_device_hours() -> None:
    hours = 400 / 3600
    one, two = (left(ended(0), workers=workers, hours=hours) for workers in (1, 2))
    assert one == TimeLeft(seconds=9 * WHOLE, ends_by="device_hours")
    assert two == TimeLeft(seconds=4 * WHOLE, ends_by="device_hours")


def test_stagnation_ends_it_where_that_is_known() -> None:
    assert left(ended(0), since=3) == TimeLeft(seconds=3 * WHOLE, ends_by="stagnation")
    assert left(ended(0), since=0) == TimeLeft(seconds=0.0, ends_by="stagnation")
    found = left(ended(0), running(1, 2), since=0)
    assert found == TimeLeft(seconds=2 * PACE, ends_by="stagnation")
    assert left(ended(0), since=None, patience=3, trials=9) == TimeLeft(
        seconds=8 * WHOLE, ends_by="trials"
    )


@pytest.mark.parametrize(
    ("trials", "hours", "since", "expected"),
    [
        (5, 1000.0, 100, (4, "trials")),
        (1000, 4 * WHOLE / 3600, 100, (3, "device_hours")),
        (1000, 1000.0, 6, (6, "stagnation")),
    ],
)
def test_the_budget_that_ends_first_counts(
    trials: int, hours: float, since: int, expected: tuple[int, str]
) -> None:
    found = left(ended(0), trials=trials, hours=hours, since=since)
    assert found is not None
    assert (found.seconds, found.ends_by) == (expected[0] * WHOLE, expected[1])


def test_the_sweep_of_the_issue_does_not_have_hours_left() -> None:
    """0.4 device-hours, 1000 trials, two lanes, 60 s a trial: 12 minutes in all, not 8 hours."""
    minute = replace(ended(0), busy_seconds=60.0)
    for done in range(1, 24):
        trials = [replace(minute, trial_id=f"t{n}", number=n) for n in range(done)]
        found = left(*trials, lanes=2, hours=0.4)
        assert found is not None
        assert found.ends_by == "device_hours"
        assert found.seconds == pytest.approx(math.ceil((24 - done) / 2) * 60, abs=60)


def test_trials_of_fewer_epochs_make_the_others_shorter() -> None:
    assert left(ended(0, 4), ended(1, 2, "stopped"), trials=4) == TimeLeft(
        seconds=2 * 3 * PACE, ends_by="trials"
    )
    # One that surpassed the mean has at least an epoch to go, unless it is at its last.
    found = left(ended(0, 1, "stopped"), running(1, 3), trials=2)
    assert found == TimeLeft(seconds=PACE, ends_by="trials")
    found = left(ended(0, 1, "stopped"), running(1, 4), trials=2)
    assert found == TimeLeft(seconds=0.0, ends_by="trials")


def test_trials_that_fail_at_once_take_their_lane_time() -> None:
    """Most of a space may diverge; the others are no shorter for it."""
    failed = [replace(ended(n, 0, "failed"), busy_seconds=5.0) for n in range(1, 4)]
    mean = (WHOLE + 3 * 5.0) / 4
    assert left(ended(0), *failed, trials=6) == TimeLeft(seconds=2 * mean, ends_by="trials")
    found = left(*failed, running(0, 1), trials=4)
    assert found == TimeLeft(seconds=3 * PACE, ends_by="trials")


def test_paused_trials_count_as_ended() -> None:
    found = left(paused(0, 2), paused(1, 2), trials=3)
    assert found == TimeLeft(seconds=2 * PACE, ends_by="trials")


def test_an_interrupted_trial_is_to_be_finished() -> None:
    waiting = ended(1, 1, "preempted")
    assert left(ended(0), waiting, trials=2) == TimeLeft(seconds=3 * PACE, ends_by="trials")
    # It resumes even where the device-hours are used up.
    found = left(ended(0), waiting, hours=1 / 3600)
    assert found == TimeLeft(seconds=3 * PACE, ends_by="device_hours")


def test_what_the_gate_settled_uses_no_budget() -> None:
    gated = [ended(n, 0, "infeasible") for n in range(1, 5)]
    assert left(ended(0), *gated, trials=3) == TimeLeft(seconds=2 * WHOLE, ends_by="trials")


@pytest.mark.parametrize("seconds", [0.0, math.nan, math.inf])
def test_without_a_sound_pace_nothing_is_estimated(seconds: float) -> None:
    assert left(replace(ended(0), busy_seconds=seconds), trials=9, hours=1.0) is None


def test_a_budget_of_millions_is_estimated_as_one_by_one() -> None:
    """Rounds in which every lane begins one are skipped, and change nothing."""
    trials = (ended(0), running(1, 1), running(2, 3))
    found = left(*trials, lanes=3, trials=3 * 10**6 + 3)
    few = left(*trials, lanes=3, trials=3 * 10 + 3)
    assert found is not None
    assert few is not None
    assert found.seconds == pytest.approx(few.seconds + (10**6 - 10) * WHOLE)


@given(
    lanes=st.integers(1, 4),
    trials=st.integers(1, 40),
    hours=st.none() | st.floats(0.01, 1),
    since=st.none() | st.integers(0, 30),
    epochs=st.lists(st.integers(0, EPOCHS), max_size=4),
)
def test_skipping_rounds_changes_nothing(
    lanes: int, trials: int, hours: float | None, since: int | None, epochs: list[int]
) -> None:
    given_trials = [ended(0), *(running(n + 1, each) for n, each in enumerate(epochs[:lanes]))]
    records = SweepRecords(trials=tuple(given_trials))
    arguments = {"lanes": lanes, "stagnation_trials_left": since}
    found = time_left(records, budget(trials, hours), **arguments)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestrator.sweep.budgets._Schedule._skip_rounds", lambda _: 0.0)
        expected = time_left(records, budget(trials, hours), **arguments)  # type: ignore[arg-type]
    assert found is not None
    assert expected is not None
    assert found.seconds == pytest.approx(expected.seconds)
    assert found.ends_by == expected.ends_by


def _trial(number: int, start: float, end: float | None, miou: float = 0.5) -> list[SweepEvent]:
    name = f"t{number}"
    metrics = {"miou": miou, "flops": 1.0}
    events: list[SweepEvent] = [
        TrialAsked(trial_id=name, number=number, config={"x": float(number)}, seconds=start),
        TrialStarted(trial_id=name, seconds=start),
        EpochReported(trial_id=name, epoch=1, metrics=metrics, seconds=start + PACE),
    ]
    if end is not None:
        events.append(TrialEnded(trial_id=name, state="complete", metrics=metrics, seconds=end))
    return events


def _of(model: TimeLeftModel, events: list[SweepEvent]) -> TimeLeft | None:
    ordered = sorted(events, key=lambda event: event.seconds)
    book = RecordBook()
    for event in ordered:
        model.observe(event, book.observe(event))
    return model.of(fold(ordered))


def test_lanes_are_the_trials_that_ran_at_once() -> None:
    model = TimeLeftModel(SweepBudget(trials=8, epochs=1), OBJECTIVES)
    events = [
        *_trial(0, 0, 10),
        *_trial(1, 0.1, 10.1),
        *_trial(2, 0.2, 10.2),
        *_trial(3, 0.3, 10.3),
    ]
    assert _of(model, events) == TimeLeft(seconds=10.0, ends_by="trials")


def test_a_resumed_sweep_has_the_lanes_of_its_own_run() -> None:
    """Four lanes before, one since: what was long ago does not count."""
    model = TimeLeftModel(SweepBudget(trials=30, epochs=1), OBJECTIVES)
    events = [event for n in range(4) for event in _trial(n, n / 10, 10 + n / 10)]
    events += [event for n in range(16) for event in _trial(4 + n, 100 + 20 * n, 110 + 20 * n)]
    assert _of(model, events) == TimeLeft(seconds=100.0, ends_by="trials")


def test_a_paused_trial_holds_no_lane() -> None:
    model = TimeLeftModel(SweepBudget(trials=3, epochs=4), OBJECTIVES)
    pause = TrialJudged(
        trial_id="t0", action="pause", rung=1, rank=2, of=2, reason="rank 2", seconds=10
    )
    events = [*_trial(0, 0, None), pause, *_trial(1, 11, 21)]
    assert _of(model, events) == TimeLeft(seconds=10.0, ends_by="trials")


def test_stagnation_is_estimated_once_its_reference_point_is_known() -> None:
    settings = SweepBudget(trials=1000, epochs=1, stagnation_trials=5)
    for count, expected in ((7, (993, "trials")), (8, (5, "stagnation")), (10, (3, "stagnation"))):
        model = TimeLeftModel(settings, OBJECTIVES)
        events = [event for n in range(count) for event in _trial(n, 20 * n, 20 * n + 10)]
        found = _of(model, events)
        assert found is not None
        assert found.seconds == pytest.approx(expected[0] * 10)
        assert found.ends_by == expected[1]
