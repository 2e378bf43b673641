"""Why a lane was lost, read from Ray's error message."""

from __future__ import annotations

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
