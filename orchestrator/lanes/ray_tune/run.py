"""Runs of Ray Tune, one after the other, until a sweep is over."""

from __future__ import annotations

import functools
import gc
import itertools
import logging
import os
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.exceptions import OutOfMemoryError

from cluster.errors import ClusterError
from orchestrator.lanes.ray_tune.guards import FirstError, StopRequest
from orchestrator.lanes.ray_tune.lane_trial import LaneTrial
from orchestrator.lanes.ray_tune.schedule_adapter import MOST_TRIALS_AT_ONCE, ScheduleAdapter
from orchestrator.lanes.ray_tune.search_adapter import SearchAdapter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.ledger.events import TrialAsked
    from orchestrator.sweep.sweep import Sweep
    from trainables.session.messages import TrialTask

_TRIAL_ACTOR_BYTES = 200 * 2**20
"""What a Tune actor claims: memory alone, as the CPUs all belong to the lanes."""
_CHAPTER = 5000
_CHAPTER_PER_LANE = 50
"""Tune keeps every trial it ever ran, some 30 KB each: it is begun anew after so many of them, and
so many for each lane, as lanes wait for each other then. The lanes themselves stay warm."""
_LOST_ACTORS = 16
"""Actors of one trial that may die with their nodes; none of them holds anything."""
_MOST_SHORTAGES = 8
"""Times that a machine may run out of memory before the sweep ends."""
_SHORT_OF_MEMORY = "fewer lanes take less, such as --set resources.lanes=1"
_LOG = logging.getLogger(__name__)
_SILENCED = ("ray.tune.execution.experiment_state", "ray.tune.execution.tune_controller")
"""Tune's loggers of tracebacks: for its own snapshots, which nobody reads, where a disk is full;
for every actor that dies, of which the adapters tell in words."""
QUIET = {
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the command line has its own, which loses nothing
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger is the record
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # as above: Tune's own snapshots are never restored
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
}


def lane_trainable(switchboard: Any, run: int = 1) -> Any:  # noqa: ANN401 - Ray's own, untyped
    """Return what Tune starts as a trial's actor in its run number ``run``."""
    trainable = tune.with_resources(
        tune.with_parameters(LaneTrial, switchboard=switchboard, run=run),
        {"CPU": 0, "memory": _TRIAL_ACTOR_BYTES},
    )
    trainable.__qualname__ = LaneTrial.__qualname__  # its name in Ray's lists of actors
    return trainable


def run_trials(
    sweep: Sweep,
    switchboard: Any,  # noqa: ANN401 - a Ray actor handle
    *,
    lanes: Callable[[], int],
    make_task: Callable[[TrialAsked], TrialTask],
    stop_requested: Callable[[], bool],
    storage: Path,
) -> None:
    """Let Ray Tune run trials until the sweep proposes nothing more or is asked to stop.

    Where Ray ends Tune's actors as memory runs out, their trials go on in another run of Tune.

    Raises:
        ClusterError: the machine ran out of memory again and again.
        Exception: the first that the sweep raised, such as a ledger that cannot be written; nothing
            was recorded after it.
    """
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    for logger in _SILENCED:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    first = FirstError()

    def ends() -> bool:
        return first.error is not None or stop_requested()

    heard: dict[str, int] = {}
    again: list[dict[str, Any]] = []
    shortages = 0
    for run in itertools.count(1):
        search = SearchAdapter(
            sweep,
            make_task,
            lanes,
            first_error=first,
            again=again,
            most=max(_CHAPTER, _CHAPTER_PER_LANE * lanes()),
            want_actors=functools.partial(switchboard.want_actors.remote, run),
        )
        tuner = tune.Tuner(
            lane_trainable(switchboard, run),
            tune_config=tune.TuneConfig(
                search_alg=search,
                scheduler=ScheduleAdapter(sweep, switchboard, first, heard),
                num_samples=-1,
                max_concurrent_trials=MOST_TRIALS_AT_ONCE,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(storage),
                failure_config=tune.FailureConfig(max_failures=_LOST_ACTORS),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                stop=StopRequest(ends),
                verbose=0,
            ),
        )
        short = _shortage_in(tuner)
        del tuner
        gc.collect()  # Tune's trials refer to each other
        if first.error is not None:
            raise first.error
        shortages += short is not None
        if shortages > _MOST_SHORTAGES:
            raise ClusterError(f"{short} ({shortages} times); {_SHORT_OF_MEMORY}")
        if short is not None:
            _LOG.warning("%s; the sweep goes on; %s", short, _SHORT_OF_MEMORY)
        if stop_requested() or (short is None and not search.is_full):
            return
        again = search.unfinished


def _shortage_in(tuner: tune.Tuner) -> str | None:
    """Run Tune; return what Ray said if it ended Tune's actors for want of memory, else None.

    They are small, but young, which is what Ray goes by; Tune knows no answer to it.
    """
    try:
        tuner.fit()
    except RuntimeError as error:
        if not isinstance(error.__cause__, OutOfMemoryError):
            raise
        return str(error.__cause__).partition("\n")[0]
    return None
