"""Where the baselines of a sweep stand beside what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from orchestrator.report.analysis.hypervolume import finite_value
from orchestrator.search.pareto import as_minimised
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.records import TrialRecord
    from orchestrator.spec.objectives import Objective

Verdict: TypeAlias = Literal["front", "matched", "dominated", "unranked"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineStanding:
    """Where one baseline stands."""

    name: str
    """Its name."""
    trial_id: str | None
    """Its trial; None where it has none yet."""
    verdict: Verdict
    """``front``: no trial is better and none is equal; ``matched``: no trial is better, some trial
    has the same objectives; ``dominated``: a trial is nowhere worse and somewhere better;
    ``unranked``: it has no trial, or one that is not complete with all objectives."""
    by: str | None = None
    """Trial that matches or dominates it; one that was searched, where there is one, and of those
    the one with the best first objective."""


def compare_baselines(
    baselines: Mapping[str, str], trials: Sequence[TrialRecord], objectives: Sequence[Objective]
) -> tuple[BaselineStanding, ...]:
    """Return where each of the baselines stands, in their order.

    Args:
        baselines: Name of each by the digest of its configuration.
        trials: All trials.
        objectives: What the front is spanned by; the first one decides between dominators.
    """
    if not baselines:
        return ()
    own = {name: trial for trial in trials if (name := baselines.get(config_digest(trial.config)))}
    ids = {trial.trial_id for trial in own.values()}
    complete = [trial for trial in trials if trial.state == "complete"]
    values = [[finite_value(trial, each.name) for each in objectives] for trial in complete]
    points = as_minimised(np.array(values).reshape(len(complete), len(objectives)), objectives)
    ranked = [
        (trial.trial_id, point)
        for trial, point in zip(complete, points, strict=True)
        if not np.isnan(point).any()
    ]
    ranked.sort(key=lambda each: (each[0] in ids, each[1][0]))
    return tuple(_standing(name, own.get(name), ranked) for name in baselines.values())


def _standing(
    name: str, trial: TrialRecord | None, ranked: Sequence[tuple[str, NDArray[np.float64]]]
) -> BaselineStanding:
    """Return where one stands among the ranked trials, given in order of preference."""
    trial_id = None if trial is None else trial.trial_id
    point = dict(ranked).get(trial_id or "")
    if point is None:
        return BaselineStanding(name=name, trial_id=trial_id, verdict="unranked")
    no_worse = [(i, each) for i, each in ranked if (each <= point).all() and i != trial_id]
    better = [i for i, each in no_worse if (each < point).any()]
    equal = [i for i, _ in no_worse if i not in better]
    verdict: Verdict = "dominated" if better else "matched" if equal else "front"
    by = next(iter([*better, *equal]), None)
    return BaselineStanding(name=name, trial_id=trial_id, verdict=verdict, by=by)
