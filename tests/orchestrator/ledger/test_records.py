from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialJudged,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.ledger.records import RecordBook, fold

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import RecordState

ASKED = TrialAsked(trial_id="a", number=0, config={"arch": "deeplabv3"}, known={"flops": 2e9})


def test_a_trial_is_pending_then_running_then_what_its_end_says() -> None:
    book = RecordBook()
    states = [
        book.observe(ASKED).state,
        book.observe(TrialProfiled(trial_id="a", metrics={"latency_ms": 3.0})).state,
        book.observe(EpochReported(trial_id="a", epoch=1, metrics={"miou": 0.2})).state,
        book.observe(TrialEnded(trial_id="a", state="stopped", reason="rung 1")).state,
    ]
    assert states == ["pending", "running", "running", "stopped"]


def test_later_figures_lie_over_earlier_ones() -> None:
    (record,) = fold(
        [
            ASKED,
            TrialProfiled(trial_id="a", metrics={"latency_ms": 3.0}, details={"threads": 1}),
            EpochReported(trial_id="a", epoch=1, metrics={"miou": 0.2}),
            TrialEnded(trial_id="a", state="complete", metrics={"miou": 0.4, "latency_ms": 2.0}),
        ]
    ).trials
    assert record.metrics == {"flops": 2e9, "latency_ms": 2.0, "miou": 0.4}
    assert record.history == ((1, {"miou": 0.2}),)
    assert record.details == {"threads": 1}


def test_an_epoch_told_again_replaces_what_came_after_it() -> None:
    epochs: list[SweepEvent] = [
        EpochReported(trial_id="a", epoch=epoch, metrics={"miou": miou})
        for epoch, miou in [(1, 0.1), (2, 0.2), (3, 0.3), (2, 0.25)]
    ]
    (record,) = fold([ASKED, *epochs]).trials
    assert record.epochs_done == 2
    assert record.history == ((1, {"miou": 0.1}), (2, {"miou": 0.25}))


def test_a_preempted_trial_that_speaks_again_is_running() -> None:
    (record,) = fold(
        [
            ASKED,
            TrialEnded(trial_id="a", state="preempted", reason="node lost"),
            EpochReported(trial_id="a", epoch=1, metrics={"miou": 0.1}),
        ]
    ).trials
    assert record.state == "running"
    assert not record.ended


def test_a_start_counts_attempts_and_a_judgement_is_kept() -> None:
    verdict = TrialJudged(trial_id="a", action="stop", rung=1, rank=3, of=4, seconds=7.0)
    records = fold([ASKED, TrialStarted(trial_id="a", attempt=2), verdict])
    (record,) = records.trials
    assert (record.state, record.attempts, record.verdict) == ("running", 2, verdict)
    assert record.changed_at == records.seconds == 7.0


def test_the_time_on_a_lane_is_summed_over_attempts() -> None:
    (record,) = fold(
        [
            ASKED,
            TrialStarted(trial_id="a", seconds=10.0),
            TrialEnded(trial_id="a", state="preempted", seconds=14.0),
            TrialStarted(trial_id="a", attempt=2, seconds=100.0),
            TrialEnded(trial_id="a", state="complete", seconds=101.0),
        ]
    ).trials
    assert (record.busy_seconds, record.started_at) == (5.0, None)


def test_an_event_before_its_proposal_is_refused() -> None:
    with pytest.raises(ValueError, match="before its proposal"):
        fold([EpochReported(trial_id="ghost", epoch=1, metrics={})])


def test_a_trial_proposed_with_another_config_is_refused() -> None:
    again = TrialAsked(trial_id="a", number=0, config={"arch": "deeplabv3plus"})
    with pytest.raises(ValueError, match="must not change"):
        fold([ASKED, again])


def test_asking_again_with_the_same_config_changes_nothing() -> None:
    assert fold([ASKED, ASKED]) == fold([ASKED])


ENDS: list[RecordState] = ["complete", "stopped", "infeasible", "preempted", "failed"]


@given(st.lists(st.sampled_from([*ENDS, None]), max_size=12), st.randoms())
def test_counts_name_every_trial_once_and_trials_keep_the_order_of_proposal(
    ends: list[RecordState | None], random: object
) -> None:
    asked: list[SweepEvent] = [
        TrialAsked(trial_id=str(number), number=number, config={}) for number in range(len(ends))
    ]
    random.shuffle(asked)  # type: ignore[attr-defined]
    ended: list[SweepEvent] = [
        TrialEnded(trial_id=str(number), state=end)  # type: ignore[arg-type]
        for number, end in enumerate(ends)
        if end is not None
    ]
    records = fold([*asked, *ended])
    assert [record.number for record in records.trials] == list(range(len(ends)))
    assert records.counts["pending"] == ends.count(None)
    assert all(records.counts[end] == ends.count(end) for end in ENDS)
    assert len(records.complete) == ends.count("complete")
