"""Prepares the teacher's soft labels on a lane before the first student trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.spec.networks import largest_resolution
from trainables.session.messages import EpochDone, TeacherTask

if TYPE_CHECKING:
    from orchestrator.lanes.pool import LanePool
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunHooks
    from trainables.session.messages import TrialMessage

TEACHER = "teacher"
"""Identity of the teacher's task."""


class TeacherFailedError(RuntimeError):
    """The teacher could not be trained, so no student can train."""


def prepare_teacher(spec: SweepSpec, pool: LanePool, hooks: RunHooks) -> str | None:
    """Return the folder of the soft labels; None without a teacher, or after a stop request.

    A lane trains the teacher and writes the labels, where they do not exist.

    Raises:
        TeacherFailedError: the training failed.
    """
    if spec.teacher is None:
        return None
    epochs = spec.teacher.epochs
    hooks.stage("preparing the teacher")

    def follow(message: TrialMessage) -> None:
        if isinstance(message, EpochDone):
            miou = message.metrics["miou"]
            hooks.stage(f"teacher: epoch {message.epoch} of {epochs}, mIoU {miou:.3f}")

    task = TeacherTask(
        trial_id=TEACHER,
        teacher=spec.teacher,
        data=spec.data,
        training=spec.training,
        target=spec.target,
        resolution=str(largest_resolution(spec.space)),
        cache_dir=str(spec.storage.cache_dir),
    )
    done = pool.run(task, on_message=follow, stop_requested=hooks.stop_requested)
    if done.state == "complete":
        hooks.stage(f"teacher ready, mIoU {done.metrics['miou']:.3f}")
        return done.artifacts[1]
    if hooks.stop_requested():
        return None
    raise TeacherFailedError(f"the teacher could not be trained: {done.reason}")
