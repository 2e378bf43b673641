"""Ray Tune's view of a sweep: thin adapters over its decisions."""

from __future__ import annotations

import functools
import itertools
import os
import pickle
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import ray
from ray import tune
from ray.tune import Stopper
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as TuneSearcher

from trainables.messages import EpochDone, Interrupted, Profiled, Restored, TrialDone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.events import TrialAsked
    from orchestrator.sweep import Sweep
    from trainables.messages import TrialMessage, TrialTask

_TRIAL_ACTOR_BYTES = 200 * 2**20
"""What a Tune actor claims: memory alone, as the CPUs all belong to the lanes."""
_MOST_TRIALS_AT_ONCE = 4096
"""More lanes than these are not filled; below, their number decides, which may change."""
_CHAPTER = 2000
_CHAPTER_PER_LANE = 50
"""Tune keeps every trial it ever ran, some 30 KB each: it is begun anew after so many of them, and
so many for each lane, as lanes wait for each other then. The lanes themselves stay warm."""
_STARTING_SECONDS = 60.0
"""How long the end of a trial waits for the other actors of the same run of Tune to start."""
_LOST_ACTORS = 16
"""Actors of one trial that may die with their nodes; none of them holds anything."""
QUIET = {
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the command line has its own, which loses nothing
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger is the record
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # as above: Tune's own snapshots are never restored
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
}


class LaneTrial(tune.Trainable):
    """A Tune trial that passes through a lane; its actor holds no model and is reused.

    Tasks and messages are bytes to Tune, which copies and keeps every configuration and result. An
    actor that takes the place of one that was lost begins with the last message that may not have
    reached the driver.
    """

    def setup(self, config: dict[str, Any], switchboard: Any = None, run: int = 1) -> None:  # noqa: ANN401
        """Queue the first trial of this actor."""
        self._switchboard = switchboard
        self._run = run
        self._stepped = False
        self._open: str | None = None
        self._heard = -1
        self._submit(config)

    def step(self) -> dict[str, Any]:
        """Return the trial's next message as a Tune result."""
        if not self._stepped:
            self._switchboard.actor_up.remote(self._run)
            self._stepped = True
        waiting = self._switchboard.message_after.remote(self._open, self._heard)
        self._heard, message = ray.get(waiting)
        if isinstance(message, TrialDone):
            self._open = None
            ray.get(self._switchboard.all_actors_up.remote(self._run, _STARTING_SECONDS))
        return {
            "message": pickle.dumps(message),
            "number": self._heard,
            "done": isinstance(message, TrialDone),
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Queue the actor's next trial."""
        self._abandon()
        self._submit(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Leave nothing: the lanes' workers write the checkpoints."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Take nothing: the lanes' workers read the checkpoints."""

    def cleanup(self) -> None:
        """Cancel a trial that is not over."""
        self._abandon()

    def _submit(self, config: dict[str, Any]) -> None:
        task = _task_of(config)
        ray.get(self._switchboard.submit.remote(task, config["ticket"]))
        self._open = task.trial_id
        self._heard = -1

    def _abandon(self) -> None:
        if self._open is not None:
            self._switchboard.cancel.remote(self._open)
            self._open = None


def _task_of(config: dict[str, Any]) -> TrialTask:
    """Return the task that the search adapter put into a Tune trial's configuration."""
    task: TrialTask = pickle.loads(config["task"])  # noqa: S301 - our own driver wrote it
    return task


def _message_of(result: dict[str, Any] | None) -> TrialMessage | None:
    """Return the message in a Tune result, if there is one."""
    if result is None or "message" not in result:
        return None
    message: TrialMessage = pickle.loads(result["message"])  # noqa: S301 - our own actor wrote it
    return message


class _Unsaved:
    """An object that Tune saves without its state, as the ledger holds all of it."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class FirstError:
    """Keeps the first error of ours from Tune, which would blame a trial for it and go on.

    Used as a context, it ends the block in silence; what is decided or recorded after it would
    have a gap before it, so nothing more is.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self.error = self.error or error
        return True


class SearchAdapter(_Unsaved, TuneSearcher):
    """Gives Tune the sweep's next trial."""

    def __init__(
        self,
        sweep: Sweep,
        make_task: Callable[[TrialAsked], TrialTask],
        lanes: Callable[[], int],
        *,
        first_error: FirstError,
        most: int = sys.maxsize,
        want_actors: Callable[[int], object] = lambda _: None,
    ) -> None:
        super().__init__(metric=None, mode=None)
        self._first_error = first_error
        self._left = most
        self._want_actors = want_actors
        self._wanted = 0
        self._lanes = lanes
        self._open: set[str] = set()
        self._sweep = sweep
        self._make_task = make_task

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the next trial's task; FINISHED when the sweep proposes nothing more.

        None while as many trials run as there are lanes now. FINISHED, too, after the most trials
        that one run of Tune is to have.
        """
        if self.is_full or self._first_error.error:
            return TuneSearcher.FINISHED
        with self._first_error:
            return self._next(trial_id)
        return TuneSearcher.FINISHED

    def _next(self, trial_id: str) -> dict[str, Any] | str | None:
        if len(self._open) >= max(1, self._lanes()):
            return None
        found = self._sweep.next_trial()
        if found is None:
            return None if self._sweep.proposes else TuneSearcher.FINISHED
        self._open.add(trial_id)
        self._left -= 1
        if len(self._open) > self._wanted:
            self._wanted = len(self._open)
            self._want_actors(self._wanted)
        asked, attempt = found
        task = replace(self._make_task(asked), resume=attempt > 1)
        return {"task": pickle.dumps(task), "ticket": trial_id}

    @property
    def is_full(self) -> bool:
        """Whether it gave out as many trials as it was to."""
        return self._left <= 0

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 - Tune's signature
    ) -> None:
        """Count it no more; the schedule adapter records ends."""
        del result, error
        self._open.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Leave nothing: the ledger holds the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Take nothing: the ledger holds the state."""


class ScheduleAdapter(_Unsaved, FIFOScheduler):
    """Hands Tune's results to the sweep; a stop or pause goes to the lane, which then lets go."""

    def __init__(self, sweep: Sweep, switchboard: Any, first_error: FirstError) -> None:  # noqa: ANN401
        super().__init__()  # type: ignore[no-untyped-call]
        self._first_error = first_error
        self._sweep = sweep
        self._switchboard = switchboard
        self._keeping = False
        self._heard: dict[str, int] = {}

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        """Let Tune keep every actor for reuse.

        By itself it keeps one, or as many as trials wait: of two actors that are free in one step
        the other would end, and a process start for the next trial.
        """
        super().on_trial_add(tune_controller, trial)
        if not self._keeping:
            self._keeping = True
            cache = tune_controller._actor_cache  # noqa: SLF001 - there is no setting for it
            cache.increase_max(trial.placement_group_factory, by=_MOST_TRIALS_AT_ONCE)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ANN401
        """Record one message, once; the answer to Tune is always to go on."""
        del tune_controller
        number = result.get("number", -1)
        if number > self._heard.get(trial.trial_id, -1) and not self._first_error.error:
            self._heard[trial.trial_id] = number
            with self._first_error:
                self._record(_message_of(result))
        return str(TrialScheduler.CONTINUE)

    def _record(self, message: TrialMessage | None) -> None:
        match message:
            case Profiled():
                decision = self._sweep.profiled(message.trial_id, message.metrics, message.details)
            case EpochDone():
                decision = self._sweep.epoch(message.trial_id, message.epoch, message.metrics)
            case Interrupted():
                self._sweep.interrupted(message.trial_id, message.cause, message.reason)
                return
            case Restored():
                self._sweep.restored(message.trial_id, message.epoch, message.trained_seconds)
                return
            case _:
                return
        if decision.action != "continue":
            self._switchboard.cancel.remote(message.trial_id)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:  # noqa: ANN401
        """Record how the trial ended."""
        del tune_controller
        self._heard.pop(trial.trial_id, None)
        message = _message_of(result)
        if isinstance(message, TrialDone):
            self._end(message)
            self._switchboard.forget.remote(message.trial_id, trial.trial_id)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        """Record a trial whose Tune actor could not be kept alive as preempted.

        The actor holds no model, so whatever ended it is no fault of the configuration. Tune tells
        of an actor that it starts anew too, after it has noted the error: that one attaches to the
        trial, which runs on.
        """
        del tune_controller
        if trial.status == trial.ERROR and trial.should_recover():
            return
        trial_id = _task_of(trial.config).trial_id
        self._switchboard.cancel.remote(trial_id)
        reason = f"Ray Tune gave it up: {trial.error_file}"
        self._end(TrialDone(trial_id=trial_id, state="preempted", reason=reason, metrics={}))

    def _end(self, done: TrialDone) -> None:
        if self._first_error.error:
            return
        with self._first_error:
            self._sweep.ended(done.trial_id, done.state, done.reason, done.metrics, done.artifacts)


class StopRequest(_Unsaved, Stopper):
    """Ends all of Tune's trials once asked to."""

    def __init__(self, requested: Callable[[], bool]) -> None:
        self._requested = requested

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never end a single trial."""
        del trial_id, result
        return False

    def stop_all(self) -> bool:
        """Whether the sweep was asked to stop."""
        return self._requested()


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

    Raises:
        Exception: the first that the sweep raised, such as a ledger that cannot be written; nothing
            was recorded after it.
    """
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    first = FirstError()

    def ends() -> bool:
        return first.error is not None or stop_requested()

    for run in itertools.count(1):
        search = SearchAdapter(
            sweep,
            make_task,
            lanes,
            first_error=first,
            most=max(_CHAPTER, _CHAPTER_PER_LANE * lanes()),
            want_actors=functools.partial(switchboard.want_actors.remote, run),
        )
        trainable = tune.with_resources(
            tune.with_parameters(LaneTrial, switchboard=switchboard, run=run),
            {"CPU": 0, "memory": _TRIAL_ACTOR_BYTES},
        )
        trainable.__qualname__ = LaneTrial.__qualname__  # its name in Ray's lists of actors
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=search,
                scheduler=ScheduleAdapter(sweep, switchboard, first),
                num_samples=-1,
                max_concurrent_trials=_MOST_TRIALS_AT_ONCE,
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
        ).fit()
        if first.error is not None:
            raise first.error
        if not search.is_full or stop_requested():
            return
