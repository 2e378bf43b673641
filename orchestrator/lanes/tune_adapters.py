"""Thin adapters between Ray Tune and a sweep's decisions."""

from __future__ import annotations

import logging
import pickle
import sys
from base64 import b64decode, b64encode
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as TuneSearcher

from trainables.session.messages import EpochDone, Interrupted, Profiled, Restored, TrialDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.ledger.events import TrialAsked
    from orchestrator.sweep.sweep import Sweep
    from trainables.session.messages import TrialMessage, TrialTask


Result = TypeVar("Result")


class Unsaved:
    """An object that Tune pickles without its state; the ledger holds all of it."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class FirstError:
    """Keeps the first error of ours, which Tune would attribute to a trial and ignore."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def guard(self, action: Callable[[], Result], default: Result) -> Result:
        """Return the result of ``action``, or ``default`` where it fails.

        After an error no further action runs: the ledger must not get events after a missing one.
        """
        if self.error is None:
            try:
                return action()
            except Exception as error:  # noqa: BLE001 - the session raises it after Tune's run
                self.error = error
        return default


class LaneTrial(tune.Trainable):
    """A Tune trial that runs on a lane; its actor holds no model and is reused.

    Tasks are text, as Tune writes every configuration as JSON. Messages are bytes, as Tune copies
    and keeps every result. The successor of a dead actor starts with the last messages that may not
    have reached the driver. The end of an actor does not end its trial: ``TrialBroker.cancel`` does
    that.
    """

    def setup(self, config: dict[str, Any], broker: Any = None, run: int = 1) -> None:  # noqa: ANN401
        """Start the first trial of this actor."""
        self._broker = broker
        self._run = run
        self._stepped = False
        self._start_trial(config)

    def step(self) -> dict[str, Any]:
        """Return the trial's next messages as one Tune result."""
        if not self._stepped:
            self._broker.actor_started.remote(self._run)
            self._stepped = True
        self._received, messages = ray.get(self._next())
        return {
            "messages": pickle.dumps(messages),
            "number": self._received,
            "done": isinstance(messages[-1], TrialDone),
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start the actor's next trial."""
        self._start_trial(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write nothing: the lanes' workers write the checkpoints."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Read nothing: the lanes' workers read the checkpoints."""

    def _start_trial(self, config: dict[str, Any]) -> None:
        self._task = task_of(config)
        self._ticket = ticket_of(config)
        self._received = -1

    def _next(self) -> Any:  # noqa: ANN401 - Ray's references have no types here
        """Request the trial's next messages; the first request also submits the trial."""
        if self._received < 0:
            return self._broker.first_messages.remote(self._task, self._ticket, self._run)
        trial_id = self._task.trial_id
        return self._broker.messages_after.remote(trial_id, self._received, self._run)


def config_of(task: TrialTask, ticket: str) -> dict[str, Any]:
    """Return the configuration of the Tune trial of ``task``.

    A Tune trial that continues it in another Tune run has the same ``ticket``.
    """
    return {"task": b64encode(pickle.dumps(task)).decode(), "ticket": ticket}


def task_of(config: dict[str, Any]) -> TrialTask:
    """Return the task in a Tune trial's configuration."""
    task: TrialTask = pickle.loads(b64decode(config["task"]))  # noqa: S301 - our own driver wrote it
    return task


def ticket_of(config: dict[str, Any]) -> str:
    """Return the identity of an attempt at a trial, equal in all Tune runs that continue it."""
    return str(config["ticket"])


def messages_of(result: dict[str, Any] | None) -> list[tuple[int, TrialMessage]]:
    """Return the messages in a Tune result, each with its number."""
    if result is None or "messages" not in result:
        return []
    messages: list[TrialMessage] = pickle.loads(result["messages"])  # noqa: S301 - our actor's own
    return list(enumerate(messages, result["number"] - len(messages) + 1))


class SearchAdapter(Unsaved, TuneSearcher):
    """Returns the sweep's next trial to Tune."""

    def __init__(
        self,
        sweep: Sweep,
        make_task: Callable[[TrialAsked], TrialTask],
        lanes: Callable[[], int],
        *,
        first_error: FirstError,
        unfinished: Iterable[dict[str, Any]] = (),
        max_trials: int = sys.maxsize,
        expect_actors: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Create the adapter of one Tune run.

        Args:
            sweep: Proposes trials.
            make_task: Returns the task of a trial.
            lanes: Returns the number of lanes now.
            first_error: Keeps an error of the sweep.
            unfinished: Configurations that an earlier Tune run did not end; they come first.
            max_trials: Trials of the run, >= 1.
            expect_actors: Called with the number of actors that the run needs, when it grows.
        """
        super().__init__(metric=None, mode=None)
        self._first_error = first_error
        self._remaining = max_trials
        self._expect_actors = expect_actors
        self._expected_actors = 0
        self._lanes = lanes
        self._open: dict[str, dict[str, Any]] = {}
        self._unfinished = deque(unfinished)
        self._sweep = sweep
        self._make_task = make_task

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the next trial's configuration.

        None while every lane runs a trial. FINISHED when the sweep proposes no more, or the run has
        its maximum of trials.
        """
        if self.is_full:
            return TuneSearcher.FINISHED
        default: dict[str, Any] | str | None = TuneSearcher.FINISHED
        return self._first_error.guard(partial(self._next, trial_id), default)

    def _next(self, trial_id: str) -> dict[str, Any] | str | None:
        if len(self._open) >= max(1, self._lanes()):
            return None
        if self._unfinished:
            config = self._unfinished.popleft()
        else:
            proposal = self._sweep.next_trial()
            if proposal is None:
                return None if self._sweep.proposes else TuneSearcher.FINISHED
            asked, attempt = proposal
            task = replace(self._make_task(asked), resume=attempt > 1)
            config = config_of(task, trial_id)
        self._open[trial_id] = config
        self._remaining -= 1
        if len(self._open) > self._expected_actors:
            self._expected_actors = len(self._open)
            self._expect_actors(self._expected_actors)
        return config

    @property
    def unfinished(self) -> list[dict[str, Any]]:
        """Configurations of the trials that have not ended, for another Tune run."""
        return [*self._open.values(), *self._unfinished]

    @property
    def is_full(self) -> bool:
        """Whether the run has its maximum of trials."""
        return self._remaining <= 0

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 - Tune's signature
    ) -> None:
        """Free its lane; the schedule adapter records the end."""
        del result, error
        self._open.pop(trial_id, None)

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the ledger holds the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Read nothing: the ledger holds the state."""


_LOG = logging.getLogger(__name__)
MOST_TRIALS_AT_ONCE = 4096
"""Tune's limit of concurrent trials; below it, the search adapter limits them to the lanes."""
_ENDS_PER_CALL = 32
"""Recorded ends that are deleted in the trial broker by one call."""


class ScheduleAdapter(Unsaved, FIFOScheduler):
    """Passes Tune's results to the sweep; a stop or pause cancels the trial on its lane."""

    def __init__(
        self,
        sweep: Sweep,
        broker: Any,  # noqa: ANN401 - a Ray actor handle
        first_error: FirstError,
        received: dict[str, int],
    ) -> None:
        """Create the adapter of one Tune run; ``received`` maps tickets to message numbers."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._first_error = first_error
        self._sweep = sweep
        self._broker = broker
        self._is_cache_enlarged = False
        self._received = received
        self._recorded: list[tuple[str, str]] = []

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        """Let Tune keep every actor for reuse.

        By default it keeps one, or one for each pending trial. Of two actors that become free in
        one step it would end the other, and start a process for the next trial.
        """
        super().on_trial_add(tune_controller, trial)
        if not self._is_cache_enlarged:
            self._is_cache_enlarged = True
            cache = tune_controller._actor_cache  # noqa: SLF001 - there is no setting for it
            cache.increase_max(trial.placement_group_factory, by=MOST_TRIALS_AT_ONCE)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ANN401
        """Record messages, each once; always return CONTINUE."""
        del tune_controller
        self._receive(trial, result)
        return str(TrialScheduler.CONTINUE)

    def _receive(self, trial: Any, result: dict[str, Any]) -> TrialDone | None:  # noqa: ANN401
        """Record the new messages of ``result``; return the trial's end if it is the last one."""
        ticket = ticket_of(trial.config)
        message = None
        for number, message in messages_of(result):
            if number > self._received.get(ticket, -1):
                self._received[ticket] = number
                self._first_error.guard(partial(self._record, message), None)
        return message if isinstance(message, TrialDone) else None

    def _record(self, message: TrialMessage) -> None:
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
            case TrialDone():
                self._end(message)
                return
        if decision.action != "continue":
            self._broker.cancel.remote(message.trial_id)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:  # noqa: ANN401
        """Record the last messages with the end."""
        del tune_controller
        end = self._receive(trial, result)
        ticket = ticket_of(trial.config)
        self._received.pop(ticket, None)
        if end is not None:
            self._recorded.append((end.trial_id, ticket))
        if len(self._recorded) >= _ENDS_PER_CALL:
            self._broker.forget.remote(self._recorded)
            self._recorded = []

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        """Record a trial as preempted once Tune restarts its actor no more.

        The actor holds no model, so its death is not the configuration's fault. Tune also calls
        this before it restarts an actor, which then attaches to the running trial.
        """
        del tune_controller
        trial_id = task_of(trial.config).trial_id
        if trial.status == trial.ERROR and trial.should_recover():
            _LOG.warning("the Tune actor of %s died and is restarted", trial_id)
            return
        self._broker.cancel.remote(trial_id)
        reason = f"its Ray Tune actors died too often: {trial.error_file}"
        self._end(TrialDone(trial_id=trial_id, state="preempted", reason=reason, metrics={}))

    def _end(self, done: TrialDone) -> None:
        record = partial(
            self._sweep.ended,
            *(done.trial_id, done.state, done.reason, done.metrics, done.artifacts),
        )
        self._first_error.guard(record, None)
