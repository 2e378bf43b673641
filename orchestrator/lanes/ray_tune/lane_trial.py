"""The Tune trainable: relays messages between a lane and Tune."""

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
