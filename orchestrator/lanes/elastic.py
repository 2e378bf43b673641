"""Keeps the number of lanes at what the cluster has room for."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOG = logging.getLogger(__name__)
LOOK_SECONDS = 5.0


class Elastic:
    """Context in whose body lanes are added as nodes come, and not counted on as nodes go."""

    def __init__(
        self,
        room: Callable[[], Sequence[int]],
        resize: Callable[[Sequence[int]], None],
        *,
        seconds: float = LOOK_SECONDS,
    ) -> None:
        """Ask ``room`` for the lanes of each plan that fit now, hand changes to ``resize``.

        Args:
            room: Looks at the cluster; where it raises, nothing changes.
            resize: Makes it so.
            seconds: Time between two looks, > 0.
        """
        self._room = room
        self._resize = resize
        self._seconds = seconds
        self._end = threading.Event()
        self._last: list[int] | None = None
        self._thread = threading.Thread(target=self._run, name="elastic", daemon=True)

    def look(self) -> None:
        """Look once."""
        try:
            found = list(self._room())
        except Exception as error:  # noqa: BLE001 - a head that is away is asked again later
            _LOG.warning("the cluster does not say what it has: %s", error)
            return
        if found != self._last:
            self._resize(found)
            self._last = found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            self.look()
