"""The lane task that trains a teacher and computes its soft labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces.resolution import Resolution
from trainables.distillation.soft_labels import ensure_soft_labels
from trainables.distillation.teacher import TeacherError, train_teacher
from trainables.session.messages import TrialDone
from trainables.session.ranks import PeerFailedError, Ranks

if TYPE_CHECKING:
    from trainables.session.messages import TeacherTask
    from trainables.session.session import TrialSession


def run_teacher(task: TeacherTask, session: TrialSession) -> TrialDone:
    """Return the end of the task; teacher and soft labels are computed where they are missing.

    ``artifacts`` of a complete end are the teacher's file and the soft labels' folder; ``metrics``
    has its ``miou``.
    """
    ranks = Ranks(session.rank, session.world_size)
    try:
        info = train_teacher(
            task.teacher,
            session,
            data=task.data,
            training=task.training,
            target=task.target,
            resolution=Resolution.parse(task.resolution),
            cache_dir=task.cache_dir,
            trial_id=task.trial_id,
        )
        folder = ranks.on_first(
            lambda: ensure_soft_labels(
                Path(info.path), task.data, task.cache_dir, device=session.device
            )
        )
    except (TeacherError, ValueError, OSError, PeerFailedError) as error:
        if isinstance(error, PeerFailedError) and error.blame != "own":
            raise
        state = "stopped" if session.should_stop() else "failed"
        return TrialDone(
            trial_id=task.trial_id,
            state=state,  # type: ignore[arg-type]
            reason=str(error),
            metrics={},
        )
    finally:
        ranks.close()
    return TrialDone(
        trial_id=task.trial_id,
        state="complete",
        reason="",
        metrics={"miou": info.miou},
        artifacts=(info.path, str(folder)),
    )
