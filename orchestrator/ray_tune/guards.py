"""What keeps Tune from doing more than it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ray.tune import Stopper

if TYPE_CHECKING:
    from collections.abc import Callable


class Unsaved:
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
