"""Ray Tune's scheduler: passes results to the sweep and its decisions to the lanes."""

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
