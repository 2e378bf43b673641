"""The Tune trial: an actor between Tune and a lane."""

from __future__ import annotations

import pickle
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from trainables.session.messages import TrialDone

if TYPE_CHECKING:
    from trainables.session.messages import TrialMessage, TrialTask


class LaneTrial(tune.Trainable):
    """A Tune trial that passes through a lane; its actor holds no model and is reused.

    Tasks are text to Tune, which keeps every configuration as JSON too, and messages bytes, as it
    copies and keeps every result. An actor that takes the place of one that was lost begins with
    the last messages that may not have reached the driver. The end of an actor ends no trial:
    whoever wants that tells the switchboard.
    """

    def setup(self, config: dict[str, Any], switchboard: Any = None, run: int = 1) -> None:  # noqa: ANN401
        """Begin the first trial of this actor."""
        self._switchboard = switchboard
        self._run = run
        self._stepped = False
        self._begin(config)

    def step(self) -> dict[str, Any]:
        """Return the trial's next messages as one Tune result."""
        if not self._stepped:
            self._switchboard.actor_up.remote(self._run)
            self._stepped = True
        self._heard, messages = ray.get(self._next())
        return {
            "messages": pickle.dumps(messages),
            "number": self._heard,
            "done": isinstance(messages[-1], TrialDone),
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
        """Ask for the trial's next messages, in one call with its submission where it is new."""
        if self._heard < 0:
            return self._switchboard.first_messages.remote(self._task, self._ticket, self._run)
        trial_id = self._task.trial_id
        return self._switchboard.messages_after.remote(trial_id, self._heard, self._run)


def config_of(task: TrialTask, ticket: str) -> dict[str, Any]:
    """Return the configuration of a Tune trial that ``task`` is for.

    One that goes on with it, after Tune was lost, has the same ``ticket``.
    """
    return {"task": b64encode(pickle.dumps(task)).decode(), "ticket": ticket}


def task_of(config: dict[str, Any]) -> TrialTask:
    """Return the task that the search adapter put into a Tune trial's configuration."""
    task: TrialTask = pickle.loads(b64decode(config["task"]))  # noqa: S301 - our own driver wrote it
    return task


def ticket_of(config: dict[str, Any]) -> str:
    """Return what tells the same trial's Tune trials from those of an earlier attempt."""
    return str(config["ticket"])


def messages_of(result: dict[str, Any] | None) -> list[tuple[int, TrialMessage]]:
    """Return the messages in a Tune result, each with its number."""
    if result is None or "messages" not in result:
        return []
    messages: list[TrialMessage] = pickle.loads(result["messages"])  # noqa: S301 - our actor's own
    return list(enumerate(messages, result["number"] - len(messages) + 1))
