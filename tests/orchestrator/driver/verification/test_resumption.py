"""A sweep that was cut anywhere, and gone on with, is the uninterrupted one event for event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.driver.verification.verify import verify_events
from orchestrator.ledger.events import TrialEnded, TrialJudged
from orchestrator.ledger.interruptions import interruptions_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent


def check(lanes: Any) -> None:
    assert not verify_events(
        lanes.tape,
        epochs=9,
        scheduler=lanes.make_scheduler,
        searcher=lanes.make_searcher,
        propose=True,
    )


@settings(max_examples=25)
@given(seed=st.integers(0, 3), cut=st.floats(0, 1))
def test_a_kill_between_any_two_events_changes_nothing(
    virtual_sweep: Callable[..., Any],
    without_interruptions: Callable[[list[SweepEvent]], list[SweepEvent]],
    seed: int,
    cut: float,
) -> None:
    whole = virtual_sweep(seed=seed)
    whole.run()
    lanes = virtual_sweep(seed=seed)
    lanes.run()
    lanes.crash(round(cut * len(whole.tape)))
    lanes.start()
    lanes.run()
    assert without_interruptions(lanes.tape) == whole.tape
    check(lanes)


@settings(max_examples=15)
@given(data=st.data())
def test_many_kills_and_stops_change_nothing(
    virtual_sweep: Callable[..., Any],
    without_interruptions: Callable[[list[SweepEvent]], list[SweepEvent]],
    data: st.DataObject,
) -> None:
    whole = virtual_sweep(lanes=data.draw(st.integers(1, 5)))
    whole.run()
    lanes = virtual_sweep(lanes=whole.lanes)
    for gained in data.draw(st.lists(st.integers(0, 40), max_size=6)):
        before = len(lanes.tape)
        lanes.run(until=before + gained)
        if data.draw(st.booleans()):
            lanes.sweep.interrupt("asked to stop")
        else:
            lanes.crash(max(before, min(before + gained, len(lanes.tape))))
        lanes.start()
    lanes.run()
    assert without_interruptions(lanes.tape) == whole.tape
    check(lanes)


@settings(max_examples=25)
@given(seed=st.integers(0, 3), every=st.integers(1, 9), cut=st.floats(0, 1))
def test_lost_lanes_change_no_decision_and_neither_does_a_kill_beside_them(
    virtual_sweep: Callable[..., Any],
    without_interruptions: Callable[[list[SweepEvent]], list[SweepEvent]],
    seed: int,
    every: int,
    cut: float,
) -> None:
    whole = virtual_sweep(seed=seed)
    whole.run()
    lanes = virtual_sweep(seed=seed, lose_every=every)
    lanes.run()
    assert without_interruptions(lanes.tape) == whole.tape
    lost = interruptions_of(lanes.tape)
    assert lost.notices == lost.losses["preemption"] == lanes.steps // every
    lanes.crash(round(cut * len(lanes.tape)))
    lanes.start()
    lanes.run()
    assert without_interruptions(lanes.tape) == whole.tape
    check(lanes)


@pytest.mark.parametrize("searcher", ["cost-aware", "motpe"])
@pytest.mark.slow
def test_a_searcher_that_learns_goes_on_as_if_nothing_had_happened(
    virtual_sweep: Callable[..., Any],
    without_interruptions: Callable[[list[SweepEvent]], list[SweepEvent]],
    searcher: str,
) -> None:
    whole = virtual_sweep(searcher=searcher, trials=24)
    whole.run()
    for cut in (0.2, 0.55, 0.9):
        lanes = virtual_sweep(searcher=searcher, trials=24)
        lanes.tape.extend(whole.tape[: round(cut * len(whole.tape))])
        lanes.start()
        lanes.run()
        assert without_interruptions(lanes.tape) == whole.tape


def test_the_virtual_sweep_holds_every_kind_of_end(virtual_sweep: Callable[..., Any]) -> None:
    whole = virtual_sweep(trials=30)
    whole.run()
    ends = [event for event in whole.tape if isinstance(event, TrialEnded)]
    assert {end.state for end in ends} == {"complete", "stopped", "infeasible"}
    assert {end.reason.split()[0] for end in ends if end.state == "infeasible"} == {
        "flops",
        "latency_ms",
    }
    assert {e.action for e in whole.tape if isinstance(e, TrialJudged)} == {"continue", "stop"}
