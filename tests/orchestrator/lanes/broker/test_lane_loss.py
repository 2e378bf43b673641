from __future__ import annotations

import pytest

from orchestrator.lanes.broker.lane_loss import interruption_cause, is_node_loss


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
