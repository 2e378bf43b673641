from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.driver.verification.ledger import invariant_findings
from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialInterrupted,
    TrialJudged,
    TrialProfiled,
    TrialRestored,
    TrialStarted,
    decode,
    encode,
)
from orchestrator.ledger.interruptions import Interruptions, interruptions_line, interruptions_of
from orchestrator.ledger.records import fold

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from trainables.session.messages import Interruption

T = "t00000"


def started(at: float, attempt: int = 1) -> TrialStarted:
    return TrialStarted(trial_id=T, attempt=attempt, seconds=at)


def epoch(number: int, at: float, took: float) -> EpochReported:
    return EpochReported(
        trial_id=T, epoch=number, metrics={"miou": 0.1, "epoch_seconds": took}, seconds=at
    )


def lost(at: float, cause: Interruption) -> TrialInterrupted:
    return TrialInterrupted(trial_id=T, cause=cause, reason="gone", seconds=at)


def restored(at: float, whole: int, trained: float) -> TrialRestored:
    return TrialRestored(trial_id=T, epoch=whole, trained_seconds=trained, seconds=at)


BEGUN: list[SweepEvent] = [
    TrialAsked(trial_id=T, number=0, config={"arch": "a"}),
    started(1),
    TrialProfiled(trial_id=T, metrics={}, seconds=10),
    epoch(1, 20, 10),
]
COMPLETE = TrialEnded(trial_id=T, state="complete", metrics={"miou": 0.1}, seconds=900)


def sound(events: list[SweepEvent]) -> list[SweepEvent]:
    assert invariant_findings(events, epochs=9) == []
    assert [decode(*encode(event)) for event in events] == events
    fold(events)
    return events


def test_without_an_interruption_nothing_is_said() -> None:
    found = interruptions_of(sound([*BEGUN, COMPLETE]))
    assert found == Interruptions()
    assert interruptions_line(found) == ""


def test_a_state_at_the_notice_saves_all_but_what_came_after_it() -> None:
    events = [
        *BEGUN,
        lost(24, "notice"),
        lost(27, "preemption"),  # 7 s into the second epoch
        restored(40, 1, 10 + 4),
        epoch(2, 46, 10),
        COMPLETE,
    ]
    found = interruptions_of(sound(events), workers_per_trial=2)
    assert (found.notices, found.losses) == (1, {"preemption": 1})
    assert found.device_seconds_again == pytest.approx(2 * 3)
    assert interruptions_line(found) == (
        "1 interruption of trials (1 by preemption), 1 notice of preemption; "
        "6 device-seconds trained twice"
    )


def test_a_state_that_is_an_epoch_behind_costs_the_epoch_too() -> None:
    events = [*BEGUN, epoch(2, 32, 12), lost(37, "worker"), restored(50, 1, 10), COMPLETE]
    found = interruptions_of(sound(events))
    assert found.losses == {"worker": 1}
    assert found.device_seconds_again == pytest.approx(12 + 5)


def test_a_second_loss_counts_from_the_state_of_the_first() -> None:
    events = [
        *BEGUN,
        lost(25, "node"),
        restored(40, 1, 10),
        lost(43, "node"),
        restored(60, 1, 10 + 1),
        COMPLETE,
    ]
    found = interruptions_of(sound(events))
    assert found.losses == {"node": 2}
    assert found.device_seconds_again == pytest.approx(5 + 2)


def test_a_killed_driver_died_at_the_last_event_before_and_a_stopped_one_when_it_said() -> None:
    other = "t00001"
    killed = [
        *BEGUN,
        TrialAsked(trial_id=other, number=1, config={"arch": "b"}, seconds=26),
        started(500, 2),
        restored(510, 1, 10),
        COMPLETE,
    ]
    found = interruptions_of(sound(killed))
    assert found == Interruptions(losses={"driver": 1}, device_seconds_again=6.0)
    stopped = [
        *BEGUN,
        TrialEnded(trial_id=T, state="preempted", reason="stopped", seconds=23),
        started(500, 2),
        restored(510, 1, 10),
        COMPLETE,
    ]
    found = interruptions_of(sound(stopped))
    assert found == Interruptions(losses={"driver": 1}, device_seconds_again=3.0)


def test_a_pause_is_no_interruption() -> None:
    pause = TrialJudged(trial_id=T, action="pause", rung=1, rank=2, of=2, seconds=20)
    events = [*BEGUN, pause, started(500, 2), restored(510, 1, 10), COMPLETE]
    assert interruptions_of(sound(events)) == Interruptions()


def test_time_before_the_training_is_not_counted() -> None:
    events = [*BEGUN[:2], lost(9, "worker"), restored(20, 0, 0.0), COMPLETE]
    found = interruptions_of(events)
    assert (found.total, found.device_seconds_again) == (1, 0.0)


def test_the_json_report_names_every_cause() -> None:
    facts = interruptions_of([*BEGUN, lost(25, "node"), restored(40, 1, 10)]).facts()
    assert facts == {
        "notices": 0,
        "by_preemption": 0,
        "by_node": 1,
        "by_worker": 0,
        "by_driver": 0,
        "device_seconds_again": 5.0,
    }
