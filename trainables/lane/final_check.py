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
    from trainables.session.messages import FinalCheckTask
    from trainables.session.session import TrialSession


def run_final_check(task: FinalCheckTask, session: TrialSession) -> TrialDone:
    """Return the end of the check, with its results as metrics.

    Called by every rank. A fault of the trial's files or of the data ends the check as ``failed``.
    A fault of a device, the network or another process is raised; the check then starts again on
    another lane.
    """
    try:
        metrics = _metrics(task, session)
    except TrialStoppedError:
        return TrialDone(trial_id=task.trial_id, state="stopped", reason="", metrics={})
    except Exception as error:
        if blame(error) == "infrastructure":
            raise
        reason = describe_error(error)
        return TrialDone(trial_id=task.trial_id, state="failed", reason=reason, metrics={})
    finally:
        release_memory()
    return TrialDone(trial_id=task.trial_id, state="complete", reason="", metrics=metrics)


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
