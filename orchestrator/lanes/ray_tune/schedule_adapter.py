"""Ray Tune's scheduler: the sweep's record and its decisions."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from orchestrator.lanes.ray_tune.guards import FirstError, Unsaved
from orchestrator.lanes.ray_tune.lane_trial import messages_of, task_of, ticket_of
from trainables.session.messages import EpochDone, Interrupted, Profiled, Restored, TrialDone

if TYPE_CHECKING:
    from orchestrator.sweep.sweep import Sweep
    from trainables.session.messages import TrialMessage

_LOG = logging.getLogger(__name__)
MOST_TRIALS_AT_ONCE = 4096
"""More lanes than these are not filled; below, their number decides, which may change."""
_FORGOTTEN_AT_ONCE = 32
"""Ends that are recorded before the switchboard is told, in one call for all of them."""


class ScheduleAdapter(Unsaved, FIFOScheduler):
    """Hands Tune's results to the sweep; a stop or pause goes to the lane, which then lets go."""

    def __init__(
        self,
        sweep: Sweep,
        switchboard: Any,  # noqa: ANN401 - a Ray actor handle
        first_error: FirstError,
        heard: dict[str, int],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._first_error = first_error
        self._sweep = sweep
        self._switchboard = switchboard
        self._keeping = False
        self._heard = heard
        self._recorded: list[tuple[str, str]] = []

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        """Let Tune keep every actor for reuse.

        By itself it keeps one, or as many as trials wait: of two actors that are free in one step
        the other would end, and a process start for the next trial.
        """
        super().on_trial_add(tune_controller, trial)
        if not self._keeping:
            self._keeping = True
            cache = tune_controller._actor_cache  # noqa: SLF001 - there is no setting for it
            cache.increase_max(trial.placement_group_factory, by=MOST_TRIALS_AT_ONCE)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ANN401
        """Record messages, each once; the answer to Tune is always to go on."""
        del tune_controller
        self._hear(trial, result)
        return str(TrialScheduler.CONTINUE)

    def _hear(self, trial: Any, result: dict[str, Any]) -> TrialDone | None:  # noqa: ANN401
        """Record what of ``result`` was not yet heard; return the trial's end if it is in it."""
        ticket = ticket_of(trial.config)
        message = None
        for number, message in messages_of(result):
            if number > self._heard.get(ticket, -1):
                self._heard[ticket] = number
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
            self._switchboard.cancel.remote(message.trial_id)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:  # noqa: ANN401
        """Record the last messages, the end among them."""
        del tune_controller
        end = self._hear(trial, result)
        ticket = ticket_of(trial.config)
        self._heard.pop(ticket, None)
        if end is not None:
            self._recorded.append((end.trial_id, ticket))
        if len(self._recorded) >= _FORGOTTEN_AT_ONCE:
            self._switchboard.forget.remote(self._recorded)
            self._recorded = []

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        """Record a trial whose Tune actor could not be kept alive as preempted.

        The actor holds no model, so whatever ended it is no fault of the configuration. Tune tells
        of an actor that it starts anew too, after it has noted the error: that one attaches to the
        trial, which runs on.
        """
        del tune_controller
        trial_id = task_of(trial.config).trial_id
        if trial.status == trial.ERROR and trial.should_recover():
            _LOG.warning("the actor that passes on %s died, another one takes over", trial_id)
            return
        self._switchboard.cancel.remote(trial_id)
        reason = f"Ray Tune gave it up: {trial.error_file}"
        self._end(TrialDone(trial_id=trial_id, state="preempted", reason=reason, metrics={}))

    def _end(self, done: TrialDone) -> None:
        record = partial(
            self._sweep.ended,
            *(done.trial_id, done.state, done.reason, done.metrics, done.artifacts),
        )
        self._first_error.guard(record, None)
