"""Adapts the number of lanes to the nodes of the cluster."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOG = logging.getLogger(__name__)
POLL_SECONDS = 5.0


class Elastic:
    """Context in which lanes are added as nodes join, and the expected number falls with losses."""

    def __init__(
        self,
        room: Callable[[], Sequence[int]],
        resize: Callable[[Sequence[int]], None],
        *,
        seconds: float = POLL_SECONDS,
    ) -> None:
        """Poll ``room`` in a thread and pass its changes to ``resize``.

        Args:
            room: Returns how many lanes of each plan fit now; after an error nothing changes.
            resize: Sets the number of lanes of each plan.
            seconds: Time between two polls, > 0.
        """
        self._room = room
        self._resize = resize
        self._seconds = seconds
        self._end = threading.Event()
        self._last: list[int] | None = None
        self._thread = threading.Thread(target=self._run, name="elastic", daemon=True)

    def poll(self) -> None:
        """Poll once."""
        try:
            lanes = list(self._room())
        except Exception as error:  # noqa: BLE001 - the head node may answer at the next poll
            _LOG.warning("the resources of the cluster cannot be read: %s", error)
            return
        if lanes != self._last:
            self._resize(lanes)
            self._last = lanes

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            self.poll()
