"""Restarts of lanes: why a lane was lost, and whether it starts again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.session.messages import Interruption


# Ray has no structured cause for a dead actor; these are parts of the messages of Ray 2.
_NODE_LOSSES = (
    "node has died",
    "node was terminated",
    "node is dead",
    "node died",
    "node failure",
    "raylet died",
    "preempt",
)


def is_node_loss(reason: str) -> bool:
    """Whether Ray's message reports that a node was lost."""
    text = reason.lower()
    return any(part in text for part in _NODE_LOSSES)


def interruption_cause(
    reason: str, *, notice_received: bool = False, unfit: bool = False
) -> Interruption:
    """Return the cause of an interruption.

    Args:
        reason: Ray's message.
        notice_received: Whether a preemption notice of the lane's node was received before.
        unfit: Whether a device of the lane was banned.
    """
    if unfit:
        return "node"
    if notice_received or "preempt" in reason.lower():
        return "preemption"
    return "node" if is_node_loss(reason) else "worker"


MAX_FAILURES = 3
"""Failed runs of a lane in a row, each without an ended trial, after which it is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneRun:
    """How one run of a lane ended."""

    reason: str | None
    """Error of a run that failed; None where the lane was recycled or closed."""
    ended_trials: int = 0
    """Trials that ended during the run, >= 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartDecision:
    """Whether a lane starts again."""

    restart: bool
    failures: int
    """Failed runs in a row, for the next decision, >= 0."""


def decide_restart(
    run: LaneRun, failures: int = 0, *, max_failures: int = MAX_FAILURES
) -> RestartDecision:
    """Return whether the lane of ``run`` starts again.

    A run that ended a trial, or was recycled, resets the count; the loss of a node leaves it.

    Args:
        run: The run that ended last.
        failures: Failed runs in a row before it, >= 0.
        max_failures: Failed runs in a row after which the lane is given up, >= 1.
    """
    if run.reason is None:
        return RestartDecision(restart=True, failures=0)
    if run.ended_trials > 0:
        failures = 0
    failures += not is_node_loss(run.reason)
    return RestartDecision(restart=failures < max_failures, failures=failures)
