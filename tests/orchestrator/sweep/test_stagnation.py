from __future__ import annotations

import itertools

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded
from orchestrator.ledger.records import RecordBook
from orchestrator.spec.objectives import Objective
from orchestrator.sweep.stagnation import Stagnation

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
