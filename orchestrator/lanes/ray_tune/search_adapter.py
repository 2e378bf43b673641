"""Ray Tune's search algorithm: the sweep's proposals."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ray.tune.search import Searcher as TuneSearcher

from orchestrator.lanes.ray_tune.guards import FirstError, Unsaved
from orchestrator.lanes.ray_tune.lane_trial import config_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.ledger.events import TrialAsked
    from orchestrator.sweep.sweep import Sweep
    from trainables.session.messages import TrialTask


class SearchAdapter(Unsaved, TuneSearcher):
    """Gives Tune the sweep's next trial."""

    def __init__(
        self,
        sweep: Sweep,
        make_task: Callable[[TrialAsked], TrialTask],
        lanes: Callable[[], int],
        *,
        first_error: FirstError,
        again: Iterable[dict[str, Any]] = (),
        most: int = sys.maxsize,
        want_actors: Callable[[int], object] = lambda _: None,
    ) -> None:
        super().__init__(metric=None, mode=None)
        self._first_error = first_error
        self._left = most
        self._want_actors = want_actors
        self._wanted = 0
        self._lanes = lanes
        self._open: dict[str, dict[str, Any]] = {}
        self._again = deque(again)
        self._sweep = sweep
        self._make_task = make_task

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the next trial's task; FINISHED when the sweep proposes nothing more.

        None while as many trials run as there are lanes now. FINISHED, too, after the most trials
        that one run of Tune is to have. Those come first that an earlier run of Tune could not end.
        """
        if self.is_full:
            return TuneSearcher.FINISHED
        finished: dict[str, Any] | str | None = TuneSearcher.FINISHED
        return self._first_error.guard(partial(self._next, trial_id), finished)

    def _next(self, trial_id: str) -> dict[str, Any] | str | None:
        if len(self._open) >= max(1, self._lanes()):
            return None
        if self._again:
            config = self._again.popleft()
        else:
            found = self._sweep.next_trial()
            if found is None:
                return None if self._sweep.proposes else TuneSearcher.FINISHED
            asked, attempt = found
            task = replace(self._make_task(asked), resume=attempt > 1)
            config = config_of(task, trial_id)
        self._open[trial_id] = config
        self._left -= 1
        if len(self._open) > self._wanted:
            self._wanted = len(self._open)
            self._want_actors(self._wanted)
        return config

    @property
    def unfinished(self) -> list[dict[str, Any]]:
        """Configurations of the trials that are not over, for another run of Tune."""
        return [*self._open.values(), *self._again]

    @property
    def is_full(self) -> bool:
        """Whether it gave out as many trials as it was to."""
        return self._left <= 0

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 - Tune's signature
    ) -> None:
        """Count it no more; the schedule adapter records ends."""
        del result, error
        self._open.pop(trial_id, None)

    def save(self, checkpoint_path: str) -> None:
        """Leave nothing: the ledger holds the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Take nothing: the ledger holds the state."""
