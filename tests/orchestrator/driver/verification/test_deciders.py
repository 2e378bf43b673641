from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.driver.verification.deciders import scheduler_findings, searcher_findings
from orchestrator.ledger.events import TrialAsked, TrialJudged

if TYPE_CHECKING:
    from collections.abc import Callable


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
