"""The checks of a complete trial after the search, run inside a lane."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.inference.split_scores import score_split
from trainables.lane.turns import measure_by_turns
from trainables.session.blame import blame
from trainables.session.failure import describe_error
from trainables.session.memory import release_memory
from trainables.session.messages import TrialDone
from trainables.training.evaluation import TrialStoppedError

if TYPE_CHECKING:
    from trainables.session.messages import FinalCheckTask, TrialState
    from trainables.session.session import TrialSession


def run_final_check(task: FinalCheckTask, session: TrialSession) -> TrialDone:
    """Return the end of the check, with its results as metrics.

    Called by every rank. A fault of the trial's files or of the data ends the check as ``failed``.
    A fault of a device, the network or another process is raised; the check then starts again on
    another lane.
    """
    state: TrialState = "complete"
    reason, metrics = "", dict[str, float]()
    try:
        metrics = _metrics(task, session)
    except TrialStoppedError:
        state = "stopped"
    except Exception as error:
        if blame(error) == "infrastructure":
            raise  # without freeing memory: that fails on a lost device and hides the cause
        state, reason = "failed", describe_error(error)
    release_memory()
    return TrialDone(trial_id=task.trial_id, state=state, reason=reason, metrics=metrics)


def _metrics(task: FinalCheckTask, session: TrialSession) -> dict[str, float]:
    match task.kind:
        case "latency":
            measure_by_turns(task, session)
            return {}
        case "test":
            scores = score_split(
                Path(task.folder),
                "test",
                data=task.data,
                training=task.training,
                cache_dir=task.cache_dir,
                session=session,
            )
            return {"test_miou": scores.miou, "test_pixel_accuracy": scores.pixel_accuracy}
