"""A simulated sweep that was cut anywhere and resumed equals the uninterrupted one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.driver.verification.verify import verify_events
from orchestrator.ledger.events import TrialEnded, TrialJudged, TrialStarted
from orchestrator.ledger.interruptions import interruptions_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent

SCHEDULERS = st.sampled_from(["mo-asha", "mo-asha-promote", "asha", "none"])


def check(resumed: Any) -> None:
    assert not verify_events(
        resumed.tape,
        epochs=9,
        scheduler=resumed.setup.scheduler,
        searcher=resumed.make_searcher,
        propose=True,
    )


@settings(max_examples=40)
@given(
    rules=st.fixed_dictionaries(
        {
            "seed": st.integers(0, 3),
            "scheduler": SCHEDULERS,
            "workers": st.integers(1, 5),
            "device_hours": st.sampled_from([None, 0.05]),
            "stagnation_trials": st.sampled_from([None, 3]),
        }
    ),
    cut=st.floats(0, 1),
)
def test_a_kill_between_any_two_events_changes_nothing(
    simulated_sweep: Callable[..., Any],
    without_interruptions: Callable[[list[SweepEvent]], list[SweepEvent]],
    rules: dict[str, Any],
    cut: float,
) -> None:
    whole = simulated_sweep(**rules)
    whole.run()
    resumed = simulated_sweep(**rules)
    resumed.tape.extend(whole.tape[: round(cut * len(whole.tape))])
    resumed.start()
    resumed.run()
    assert without_interruptions(resumed.tape) == whole.tape
    assert resumed.sweep.worker_seconds == pytest.approx(whole.sweep.worker_seconds)
    check(resumed)


@settings(max_examples=15)
@given(data=st.data())
def test_many_kills_and_stops_change_nothing(
    simulated_sweep: Callable[..., Any],
    without_interruptions: Callable[[list[SweepEvent]], list[SweepEvent]],
    data: st.DataObject,
) -> None:
    scheduler, workers = data.draw(SCHEDULERS), data.draw(st.integers(1, 5))
    whole = simulated_sweep(scheduler=scheduler, workers=workers)
    whole.run()
    resumed = simulated_sweep(scheduler=scheduler, workers=workers)
    for gained in data.draw(st.lists(st.integers(0, 40), max_size=6)):
        before = len(resumed.tape)
        resumed.run(until=before + gained)
        if data.draw(st.booleans()):
            resumed.sweep.interrupt("asked to stop")
        else:
            resumed.crash(max(before, min(before + gained, len(resumed.tape))))
        resumed.start()
    resumed.run()
    assert without_interruptions(resumed.tape) == whole.tape
    check(resumed)


@settings(max_examples=25)
@given(
    rules=st.fixed_dictionaries({"seed": st.integers(0, 3), "scheduler": SCHEDULERS}),
    every=st.integers(1, 9),
    cut=st.floats(0, 1),
)
def test_lost_lanes_change_no_decision_and_neither_does_a_kill(
    simulated_sweep: Callable[..., Any],
    without_interruptions: Callable[[list[SweepEvent]], list[SweepEvent]],
    rules: dict[str, Any],
    every: int,
    cut: float,
) -> None:
    whole = simulated_sweep(**rules)
    whole.run()
    resumed = simulated_sweep(**rules, lose_every=every)
    resumed.run()
    assert resumed.losses
    assert without_interruptions(resumed.tape) == whole.tape
    lost = interruptions_of(resumed.tape)
    assert lost.notices == lost.losses["preemption"] == resumed.losses
    resumed.crash(round(cut * len(resumed.tape)))
    resumed.start()
    resumed.run()
    assert without_interruptions(resumed.tape) == whole.tape
    check(resumed)


@pytest.mark.parametrize("searcher", ["cost-aware", "motpe"])
@pytest.mark.slow
def test_a_searcher_that_learns_resumes_with_the_same_proposals(
    simulated_sweep: Callable[..., Any],
    without_interruptions: Callable[[list[SweepEvent]], list[SweepEvent]],
    searcher: str,
) -> None:
    whole = simulated_sweep(searcher=searcher, trials=24)
    whole.run()
    for cut in (0.2, 0.55, 0.9):
        resumed = simulated_sweep(searcher=searcher, trials=24)
        resumed.tape.extend(whole.tape[: round(cut * len(whole.tape))])
        resumed.start()
        resumed.run()
        assert without_interruptions(resumed.tape) == whole.tape


def test_the_simulated_sweep_holds_every_kind_of_end(simulated_sweep: Callable[..., Any]) -> None:
    whole = simulated_sweep(trials=30)
    whole.run()
    ends = [event for event in whole.tape if isinstance(event, TrialEnded)]
    assert {end.state for end in ends} == {"complete", "stopped", "infeasible"}
    assert {end.reason.split()[0] for end in ends if end.state == "infeasible"} == {
        "flops",
        "latency_ms",
    }
    assert {e.action for e in whole.tape if isinstance(e, TrialJudged)} == {"continue", "stop"}
    paused = simulated_sweep(trials=30, scheduler="mo-asha-promote")
    paused.run()
    assert any(isinstance(e, TrialStarted) and e.attempt > 1 for e in paused.tape)
