"""What keeps Tune from doing more than it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ray.tune import Stopper

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


class Unsaved:
    """An object that Tune saves without its state, as the ledger holds all of it."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class FirstError:
    """Keeps the first error of ours from Tune, which would blame a trial for it and go on."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def guard(self, action: Callable[[], Answer], otherwise: Answer) -> Answer:
        """Return what ``action`` returns; ``otherwise`` where it fails.

        After an error nothing more is done: what is recorded then would have a gap before it.
        """
        if self.error is None:
            try:
                return action()
            except Exception as error:  # noqa: BLE001 - whoever runs Tune raises it
                self.error = error
        return otherwise


class StopRequest(Unsaved, Stopper):
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
