"""Consecutive runs of Ray Tune until a sweep is over."""

from __future__ import annotations

import gc
import itertools
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.exceptions import OutOfMemoryError

from cluster.errors import ClusterError
from orchestrator.lanes.tune_adapters import (
    MOST_TRIALS_AT_ONCE,
    FirstError,
    LaneTrial,
    ScheduleAdapter,
    SearchAdapter,
    Unsaved,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.ledger.events import TrialAsked
    from orchestrator.sweep.sweep import Sweep
    from trainables.session.messages import TrialTask


_TRIAL_ACTOR_BYTES = 200 * 2**20
"""Memory that a Tune actor reserves; it reserves no CPU, as the lanes hold all of them."""
TRIALS_PER_RUN = 5000
TRIALS_PER_LANE = 50
"""Trials of one Tune run, in all or for each lane, whichever is more. Tune keeps about 30 KB for
each trial until its run ends. Between two runs the lanes stay warm but wait for the slowest."""
_MAX_ACTOR_FAILURES = 16
"""Actors of one trial that may die with their nodes; an actor holds no state."""
_MAX_MEMORY_SHORTAGES = 8
"""Times that Ray may kill Tune actors for lack of memory before the sweep ends."""
_MEMORY_ADVICE = "fewer lanes take less, such as --set resources.lanes=1"
_LOG = logging.getLogger(__name__)
_SILENCED = ("ray.tune.execution.experiment_state", "ray.tune.execution.tune_controller")
"""Tune's loggers of tracebacks: of its own snapshots where a disk is full, which are never read,
and of every dead actor, which the adapters log in one line."""
TUNE_SETTINGS = {
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the command line has its own
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger is the record
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # Tune's own snapshots are never restored
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
}


class StopRequest(Unsaved, tune.Stopper):
    """Ends all of Tune's trials once ``requested`` returns True."""

    def __init__(self, requested: Callable[[], bool]) -> None:
        self._requested = requested

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never end a single trial."""
        del trial_id, result
        return False

    def stop_all(self) -> bool:
        """Whether a stop was requested."""
        return self._requested()


def lane_trainable(broker: Any, run: int = 1) -> Any:  # noqa: ANN401 - Ray's own, untyped
    """Return the trainable of Tune's run number ``run``."""
    trainable = tune.with_resources(
        tune.with_parameters(LaneTrial, broker=broker, run=run),
        {"CPU": 0, "memory": _TRIAL_ACTOR_BYTES},
    )
    trainable.__qualname__ = LaneTrial.__qualname__  # its name in Ray's lists of actors
    return trainable


class TuneSession:
    """Runs the trials of a sweep on warm lanes, in consecutive runs of Ray Tune."""

    def __init__(
        self,
        sweep: Sweep,
        broker: Any,  # noqa: ANN401 - a Ray actor handle
        *,
        lanes: Callable[[], int],
        make_task: Callable[[TrialAsked], TrialTask],
        stop_requested: Callable[[], bool],
        storage: Path,
        trials_per_run: int = TRIALS_PER_RUN,
        trials_per_lane: int = TRIALS_PER_LANE,
    ) -> None:
        """Create a session.

        Args:
            sweep: Proposes trials and records their results.
            broker: Actor handle of the sweep's trial broker.
            lanes: Returns the number of lanes now.
            make_task: Returns the task of a trial.
            stop_requested: Whether the sweep is to end early.
            storage: Folder of Tune's own files.
            trials_per_run: Trials of one Tune run, >= 1.
            trials_per_lane: The same for each lane, >= 1; the larger number applies.
        """
        self._sweep = sweep
        self._broker = broker
        self._lanes = lanes
        self._make_task = make_task
        self._stop_requested = stop_requested
        self._storage = storage
        self._trials_per_run = trials_per_run
        self._trials_per_lane = trials_per_lane
        self._first_error = FirstError()
        self._received: dict[str, int] = {}
        """Number of the last message received, by ticket."""

    def run(self) -> None:
        """Run trials until the sweep proposes no more or a stop is requested.

        Where Ray kills Tune's actors for lack of memory, their trials continue in another run.

        Raises:
            ClusterError: Ray killed actors for lack of memory too often.
            Exception: the first error of the sweep, such as a ledger that cannot be written;
                nothing was recorded after it.
        """
        for name, value in TUNE_SETTINGS.items():
            os.environ.setdefault(name, value)
        for logger in _SILENCED:
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        unfinished: list[dict[str, Any]] = []
        shortages = 0
        for number in itertools.count(1):
            search = self._search(number, unfinished)
            shortage = _fit(self._tuner(number, search))
            gc.collect()  # Tune's trials are in reference cycles
            if self._first_error.error is not None:
                raise self._first_error.error
            if shortage is not None:
                shortages += 1
                if shortages > _MAX_MEMORY_SHORTAGES:
                    raise ClusterError(f"{shortage} ({shortages} times); {_MEMORY_ADVICE}")
                _LOG.warning("%s; the sweep continues; %s", shortage, _MEMORY_ADVICE)
            if self._stop_requested() or (shortage is None and not search.is_full):
                return
            unfinished = search.unfinished

    def _search(self, number: int, unfinished: list[dict[str, Any]]) -> SearchAdapter:
        return SearchAdapter(
            self._sweep,
            self._make_task,
            self._lanes,
            first_error=self._first_error,
            unfinished=unfinished,
            max_trials=max(self._trials_per_run, self._trials_per_lane * self._lanes()),
            expect_actors=partial(self._broker.expect_actors.remote, number),
        )

    def _tuner(self, number: int, search: SearchAdapter) -> tune.Tuner:
        return tune.Tuner(
            lane_trainable(self._broker, number),
            tune_config=tune.TuneConfig(
                search_alg=search,
                scheduler=ScheduleAdapter(
                    self._sweep, self._broker, self._first_error, self._received
                ),
                num_samples=-1,
                max_concurrent_trials=MOST_TRIALS_AT_ONCE,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(self._storage),
                failure_config=tune.FailureConfig(max_failures=_MAX_ACTOR_FAILURES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                stop=StopRequest(self._is_over),
                verbose=0,
            ),
        )

    def _is_over(self) -> bool:
        return self._first_error.error is not None or self._stop_requested()


def _fit(tuner: tune.Tuner) -> str | None:
    """Run Tune; return Ray's message where it killed Tune actors for lack of memory, else None.

    Ray's memory monitor kills the youngest workers first, and Tune does not handle that error.
    """
    try:
        tuner.fit()
    except RuntimeError as error:
        if not isinstance(error.__cause__, OutOfMemoryError):
            raise
        return str(error.__cause__).partition("\n")[0]
    return None
