"""Contradictions of a ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.driver.verification.ledger import (
    invariant_findings,
    scheduler_findings,
    searcher_findings,
)
from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialExamined,
    TrialJudged,
    TrialStarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent


def asked(number: int, size: float = 0.0) -> TrialAsked:
    return TrialAsked(trial_id=f"t{number}", number=number, config={"size": size + number})


def started(attempt: int = 1) -> TrialStarted:
    return TrialStarted(trial_id="t0", attempt=attempt)


def epoch(number: int) -> EpochReported:
    return EpochReported(trial_id="t0", epoch=number, metrics={})


def ended(state: Any = "complete") -> TrialEnded:
    return TrialEnded(trial_id="t0", state=state)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([asked(0), asked(0)], "proposed twice"),
        ([asked(0), asked(2)], "is number 2, 1 is due"),
        ([asked(0), asked(1, size=-1.0)], "has the configuration of t0"),
        ([started()], "TrialStarted comes before the proposal"),
        ([asked(0), epoch(1)], "before it is started"),
        ([asked(0), started(), epoch(2)], "epoch 2 comes after epoch 0"),
        ([asked(0), started(), epoch(1), epoch(1)], "epoch 1 is recorded twice"),
        ([asked(0), started(), started()], "attempt 1 starts after attempt 1"),
        ([asked(0), started(), ended()], "complete without an epoch"),
        ([asked(0), started(), epoch(1), ended(), ended()], "comes after the end (complete)"),
        ([asked(0), started(), epoch(1), ended(), started(2)], "comes after the end"),
        ([asked(0), started(), ended("preempted"), epoch(1)], "comes after the end (preempted)"),
        ([replace(asked(0), seconds=5.0), replace(started(), seconds=4.0)], "time goes back"),
        ([asked(0), started(), *map(epoch, range(1, 5))], "beyond the 3"),
    ],
)
def test_each_contradiction_is_named(events: list[SweepEvent], message: str) -> None:
    assert any(message in each.message for each in invariant_findings(events, epochs=3))


def test_a_preempted_trial_may_start_again() -> None:
    again: list[SweepEvent] = [started(2), epoch(2), ended()]
    events = [asked(0), started(), epoch(1), ended("preempted"), *again]
    assert invariant_findings(events, epochs=3) == []


@settings(max_examples=30)
@given(data=st.data())
def test_no_event_can_be_doubled_or_moved_to_the_front_unnoticed(
    simulated_sweep: Callable[..., Any], data: st.DataObject
) -> None:
    lanes = simulated_sweep(trials=6)
    lanes.run()
    tape = [event for event in lanes.tape if type(event).__name__ != "TrialJudged"]
    assert invariant_findings(tape, epochs=9) == []
    index = data.draw(st.integers(1, len(tape) - 1))
    doubled = [*tape[: index + 1], tape[index], *tape[index + 1 :]]
    moved = [tape[index], *tape[:index], *tape[index + 1 :]]
    assert invariant_findings(doubled, epochs=9)
    assert invariant_findings(moved, epochs=9)


@given(data=st.data())
def test_no_epoch_can_be_lost_unnoticed(
    simulated_sweep: Callable[..., Any], data: st.DataObject
) -> None:
    lanes = simulated_sweep(trials=6)
    lanes.run()
    inner = [
        index
        for index, event in enumerate(lanes.tape)
        if isinstance(event, EpochReported)
        and any(
            isinstance(e, EpochReported) and e.trial_id == event.trial_id
            for e in lanes.tape[index + 1 :]
        )
    ]
    lost = data.draw(st.sampled_from(inner))
    assert invariant_findings([*lanes.tape[:lost], *lanes.tape[lost + 1 :]], epochs=9)


def examined(reason: str = "") -> TrialExamined:
    return TrialExamined(trial_id="t0", kind="test", metrics={"test_miou": 0.1}, reason=reason)


def test_a_complete_trial_is_examined_once_or_again_after_a_failure() -> None:
    whole: list[SweepEvent] = [asked(0), started(), epoch(1), ended()]
    assert not invariant_findings([*whole, examined("a file is torn"), examined()], epochs=1)
    (twice,) = invariant_findings([*whole, examined(), examined()], epochs=1)
    assert twice.message == "is examined twice: test"
    (early,) = invariant_findings(
        [asked(0), started(), epoch(1), ended("stopped"), examined()], epochs=1
    )
    assert "comes after the end (stopped)" in early.message


def test_another_judgement_than_the_scheduler_makes_is_found(
    simulated_sweep: Callable[..., Any],
) -> None:
    lanes = simulated_sweep()
    lanes.run()
    tape = list(lanes.tape)
    assert scheduler_findings(tape, lanes.setup.scheduler()) == []
    index = next(i for i, e in enumerate(tape) if isinstance(e, TrialJudged) and e.of > 1)
    other = replace(tape[index], rank=tape[index].of + 1)
    found = scheduler_findings([*tape[:index], other, *tape[index + 1 :]], lanes.setup.scheduler())
    assert [each.subject for each in found] == [other.trial_id]
    found = scheduler_findings([*tape[:index], *tape[index + 1 :]], lanes.setup.scheduler())
    assert "never judged" in found[0].message
    assert scheduler_findings(tape[:index], lanes.setup.scheduler()) == []


def test_another_proposal_than_the_searcher_makes_is_found(
    simulated_sweep: Callable[..., Any],
) -> None:
    lanes = simulated_sweep()
    lanes.run()
    assert searcher_findings(lanes.tape, lanes.make_searcher(), propose=True) == []
    index = [i for i, event in enumerate(lanes.tape) if isinstance(event, TrialAsked)][-1]
    other = replace(lanes.tape[index], config={"size": 0.5, "rate": 0.5})
    tape = [*lanes.tape[:index], other, *lanes.tape[index + 1 :]]
    found = searcher_findings(tape, lanes.make_searcher(), propose=True)
    assert [each.subject for each in found] == [other.trial_id]
    assert searcher_findings(tape, lanes.make_searcher()) == []


def test_what_a_searcher_cannot_take_is_found() -> None:
    class Broken:
        def propose(self, number: int) -> None:
            del number

        def observe(self, event: object) -> None:
            raise KeyError(event)

    event = TrialAsked(trial_id="t0", number=0, config={"size": 0.5})
    assert [each.place for each in searcher_findings([event], Broken())] == ["searcher"]
