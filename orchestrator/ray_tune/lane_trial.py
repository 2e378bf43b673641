"""The Tune trial: an actor between Tune and a lane."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from trainables.messages import TrialDone

if TYPE_CHECKING:
    from trainables.messages import TrialMessage, TrialTask


class LaneTrial(tune.Trainable):
    """A Tune trial that passes through a lane; its actor holds no model and is reused.

    Tasks and messages are bytes to Tune, which copies and keeps every configuration and result. An
    actor that takes the place of one that was lost begins with the last message that may not have
    reached the driver. The end of an actor ends no trial: whoever wants that tells the switchboard.
    """

    def setup(self, config: dict[str, Any], switchboard: Any = None, run: int = 1) -> None:  # noqa: ANN401
        """Begin the first trial of this actor."""
        self._switchboard = switchboard
        self._run = run
        self._stepped = False
        self._begin(config)

    def step(self) -> dict[str, Any]:
        """Return the trial's next message as a Tune result."""
        if not self._stepped:
            self._switchboard.actor_up.remote(self._run)
            self._stepped = True
        self._heard, message = ray.get(self._next())
        return {
            "message": pickle.dumps(message),
            "number": self._heard,
            "done": isinstance(message, TrialDone),
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the actor's next trial."""
        self._begin(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Leave nothing: the lanes' workers write the checkpoints."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Take nothing: the lanes' workers read the checkpoints."""

    def _begin(self, config: dict[str, Any]) -> None:
        self._task = task_of(config)
        self._ticket = ticket_of(config)
        self._heard = -1

    def _next(self) -> Any:  # noqa: ANN401 - Ray's references have no types here
        """Ask for the trial's next message, in one call with its submission where it is new."""
        if self._heard < 0:
            return self._switchboard.first_message.remote(self._task, self._ticket, self._run)
        trial_id = self._task.trial_id
        return self._switchboard.message_after.remote(trial_id, self._heard, self._run)


def config_of(task: TrialTask, ticket: str) -> dict[str, Any]:
    """Return the configuration of a Tune trial that ``task`` is for.

    One that goes on with it, after Tune was lost, has the same ``ticket``.
    """
    return {"task": pickle.dumps(task), "ticket": ticket}


def task_of(config: dict[str, Any]) -> TrialTask:
    """Return the task that the search adapter put into a Tune trial's configuration."""
    task: TrialTask = pickle.loads(config["task"])  # noqa: S301 - our own driver wrote it
    return task


def ticket_of(config: dict[str, Any]) -> str:
    """Return what tells the same trial's Tune trials from those of an earlier attempt."""
    return str(config["ticket"])


def message_of(result: dict[str, Any] | None) -> TrialMessage | None:
    """Return the message in a Tune result, if there is one."""
    if result is None or "message" not in result:
        return None
    message: TrialMessage = pickle.loads(result["message"])  # noqa: S301 - our own actor wrote it
    return message
