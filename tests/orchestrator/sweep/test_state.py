from __future__ import annotations

import pytest

from orchestrator.ledger.events import (
    EpochReported,
    SweepEvent,
    TrialAsked,
    TrialEnded,
    TrialJudged,
    TrialStarted,
)
from orchestrator.sweep.state import TRANSITIONS, OpenTrial, Step, SweepState, TrialStatus

EPOCHS = 9


def state_after(*events: SweepEvent) -> SweepState:
    state = SweepState(epochs=EPOCHS, workers_per_trial=2)
    for event in (TrialAsked(trial_id="t", number=0, config={}), *events):
        state.apply(event)
    return state


def judged(action: str, seconds: float = 5.0, reason: str = "rank 2 of 2") -> TrialJudged:
    return TrialJudged(
        trial_id="t",
        action=action,  # type: ignore[arg-type]
        rung=1,
        rank=2,
        of=2,
        reason=reason,
        seconds=seconds,
    )


STARTED = TrialStarted(trial_id="t", seconds=1.0)
EPOCH = EpochReported(trial_id="t", epoch=1, metrics={}, seconds=5.0)
PREEMPTED = TrialEnded(trial_id="t", state="preempted", seconds=7.0)


def test_a_step_without_a_transition_leaves_the_status() -> None:
    for status in TrialStatus:
        for step in Step:
            trial = OpenTrial(TrialAsked(trial_id="t", number=0, config={}), status)
            trial.step(step, "a reason")
            assert trial.status is TRANSITIONS.get((status, step), status)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ((), TrialStatus.ASKED),
        ((STARTED,), TrialStatus.RUNNING),
        ((STARTED, EPOCH, judged("continue")), TrialStatus.RUNNING),
        ((STARTED, EPOCH, judged("stop")), TrialStatus.STOPPING),
        ((STARTED, EPOCH, judged("stop"), PREEMPTED), TrialStatus.STOPPING),
        ((STARTED, EPOCH, judged("pause")), TrialStatus.PAUSING),
        ((STARTED, EPOCH, judged("pause"), PREEMPTED), TrialStatus.PAUSED),
        ((STARTED, EPOCH, judged("pause"), STARTED), TrialStatus.RUNNING),
        ((STARTED, PREEMPTED), TrialStatus.PREEMPTED),
        ((STARTED, PREEMPTED, STARTED), TrialStatus.RUNNING),
    ],
)
def test_events_lead_to_a_status(events: tuple[SweepEvent, ...], status: TrialStatus) -> None:
    assert state_after(*events).open["t"].status is status


def test_a_judgement_at_the_last_epoch_changes_no_status() -> None:
    last = TrialJudged(trial_id="t", action="stop", rung=EPOCHS, rank=2, of=2)
    assert state_after(STARTED, last).open["t"].status is TrialStatus.RUNNING


def test_a_stop_without_a_reason_names_its_epoch() -> None:
    state = state_after(STARTED, EPOCH, judged("stop", reason=""))
    assert state.open["t"].reason == "stopped after epoch 1"


def test_worker_seconds_count_every_attempt_once() -> None:
    again = TrialStarted(trial_id="t", attempt=2, seconds=10.0)
    end = TrialEnded(trial_id="t", state="complete", seconds=13.0)
    assert state_after(STARTED, EPOCH, judged("pause"), again, end).worker_seconds == 2 * (4 + 3)
    assert state_after(STARTED, PREEMPTED, again, end).worker_seconds == 2 * (6 + 3)
    lost = state_after(STARTED, EPOCH)
    lost.driver_lost(6.0)
    lost.apply(again)
    lost.apply(end)
    assert lost.worker_seconds == 2 * (5 + 3)


def test_only_the_first_start_of_a_trial_ends_a_row_of_rejections() -> None:
    state = state_after(STARTED)
    for number in (1, 2):
        state.apply(TrialAsked(trial_id=f"t{number}", number=number, config={}))
        state.apply(TrialEnded(trial_id=f"t{number}", state="infeasible"))
    state.apply(TrialStarted(trial_id="t", attempt=2))
    assert (state.rejected_in_a_row, state.counted, state.asked) == (2, 1, 3)
    state.apply(TrialAsked(trial_id="t3", number=3, config={}))
    state.apply(TrialStarted(trial_id="t3"))
    assert state.rejected_in_a_row == 0
