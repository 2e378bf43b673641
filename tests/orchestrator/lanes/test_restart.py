from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lanes.restart import LaneRun, decide_restart, interruption_cause, is_node_loss


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("SIGSEGV", "worker"),
        ("ActorDiedError: The actor died because its node has died.", "node"),
        ("the raylet died", "node"),
        ("the node was preempted", "preemption"),
    ],
)
def test_the_cause_is_read_from_the_message(reason: str, cause: str) -> None:
    assert interruption_cause(reason) == cause
    assert is_node_loss(reason) == (cause != "worker")


def test_a_notice_or_an_unfit_device_explains_any_message() -> None:
    assert interruption_cause("SIGSEGV", notice_received=True) == "preemption"
    assert interruption_cause("SIGSEGV", notice_received=True, unfit=True) == "node"


CRASH = LaneRun(reason="SIGSEGV")
NODE_LOSS = LaneRun(reason="the actor's node has died")


def failures_after(*runs: LaneRun, max_failures: int = 3) -> tuple[int, bool]:
    """Return the count of failures and the last decision after these runs."""
    failures, restart = 0, True
    for run in runs:
        decision = decide_restart(run, failures, max_failures=max_failures)
        failures, restart = decision.failures, decision.restart
    return failures, restart


def test_a_lane_is_given_up_after_failures_in_a_row() -> None:
    assert failures_after(CRASH, CRASH) == (2, True)
    assert failures_after(CRASH, CRASH, CRASH) == (3, False)
    assert failures_after(CRASH, max_failures=1) == (1, False)


def test_a_recycled_lane_restarts_and_resets_the_count() -> None:
    assert failures_after(CRASH, CRASH, LaneRun(reason=None)) == (0, True)


def test_a_failed_run_that_ended_a_trial_counts_as_the_first_failure() -> None:
    assert failures_after(CRASH, CRASH, LaneRun(reason="SIGSEGV", ended_trials=1)) == (1, True)


def test_the_loss_of_a_node_neither_counts_nor_resets() -> None:
    assert failures_after(CRASH, CRASH, NODE_LOSS) == (2, True)
    assert failures_after(CRASH, CRASH, NODE_LOSS, CRASH) == (3, False)


@given(st.integers(0, 2), st.integers(1, 5))
def test_node_losses_alone_never_give_a_lane_up(failures: int, losses: int) -> None:
    for _ in range(losses):
        decision = decide_restart(NODE_LOSS, failures)
        assert decision.restart
        failures = decision.failures
