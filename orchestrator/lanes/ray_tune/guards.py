"""What keeps Tune from saving our state and from hiding our errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

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
