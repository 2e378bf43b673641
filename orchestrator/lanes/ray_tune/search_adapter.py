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
    """Returns the sweep's next trial to Tune."""

    def __init__(
        self,
        sweep: Sweep,
        make_task: Callable[[TrialAsked], TrialTask],
        lanes: Callable[[], int],
        *,
        first_error: FirstError,
        unfinished: Iterable[dict[str, Any]] = (),
        max_trials: int = sys.maxsize,
        expect_actors: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Create the adapter of one Tune run.

        Args:
            sweep: Proposes trials.
            make_task: Returns the task of a trial.
            lanes: Returns the number of lanes now.
            first_error: Keeps an error of the sweep.
            unfinished: Configurations that an earlier Tune run did not end; they come first.
            max_trials: Trials of the run, >= 1.
            expect_actors: Called with the number of actors that the run needs, when it grows.
        """
        super().__init__(metric=None, mode=None)
        self._first_error = first_error
        self._remaining = max_trials
        self._expect_actors = expect_actors
        self._expected_actors = 0
        self._lanes = lanes
        self._open: dict[str, dict[str, Any]] = {}
        self._unfinished = deque(unfinished)
        self._sweep = sweep
        self._make_task = make_task

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the next trial's configuration.

        None while every lane runs a trial. FINISHED when the sweep proposes no more, or the run has
        its maximum of trials.
        """
        if self.is_full:
            return TuneSearcher.FINISHED
        default: dict[str, Any] | str | None = TuneSearcher.FINISHED
        return self._first_error.guard(partial(self._next, trial_id), default)

    def _next(self, trial_id: str) -> dict[str, Any] | str | None:
        if len(self._open) >= max(1, self._lanes()):
            return None
        if self._unfinished:
            config = self._unfinished.popleft()
        else:
            proposal = self._sweep.next_trial()
            if proposal is None:
                return None if self._sweep.proposes else TuneSearcher.FINISHED
            asked, attempt = proposal
            task = replace(self._make_task(asked), resume=attempt > 1)
            config = config_of(task, trial_id)
        self._open[trial_id] = config
        self._remaining -= 1
        if len(self._open) > self._expected_actors:
            self._expected_actors = len(self._open)
            self._expect_actors(self._expected_actors)
        return config

    @property
    def unfinished(self) -> list[dict[str, Any]]:
        """Configurations of the trials that have not ended, for another Tune run."""
        return [*self._open.values(), *self._unfinished]

    @property
    def is_full(self) -> bool:
        """Whether the run has its maximum of trials."""
        return self._remaining <= 0

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 - Tune's signature
    ) -> None:
        """Free its lane; the schedule adapter records the end."""
        del result, error
        self._open.pop(trial_id, None)

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the ledger holds the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Read nothing: the ledger holds the state."""
