"""Comparison of a sweep's baselines with its other trials."""

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
    """Comparison of one baseline with all complete trials."""

    name: str
    trial_id: str | None
    """Its trial; None before the trial exists."""
    verdict: Verdict
    """``front``: non-dominated, no equal trial; ``matched``: non-dominated, another trial has equal
    objectives; ``dominated``: another trial dominates it; ``unranked``: it has no complete trial
    with all objectives."""
    by: str | None = None
    """Trial that matches or dominates it: the one with the best first objective, proposals of the
    searcher before baselines."""


def compare_baselines(
    baselines: Mapping[str, str], trials: Sequence[TrialRecord], objectives: Sequence[Objective]
) -> tuple[BaselineStanding, ...]:
    """Return the comparison of each baseline, in the given order.

    Args:
        baselines: Names of the baselines by config digest.
        trials: All trials.
        objectives: Objectives of the front; the first one selects among dominating trials.
    """
    if not baselines:
        return ()
    trial_of = {
        name: trial for trial in trials if (name := baselines.get(config_digest(trial.config)))
    }
    ids = {trial.trial_id for trial in trial_of.values()}
    complete = [trial for trial in trials if trial.state == "complete"]
    values = [[finite_value(trial, each.name) for each in objectives] for trial in complete]
    points = as_minimised(np.array(values).reshape(len(complete), len(objectives)), objectives)
    ranked = [
        (trial.trial_id, point)
        for trial, point in zip(complete, points, strict=True)
        if not np.isnan(point).any()
    ]
    ranked.sort(key=lambda each: (each[0] in ids, each[1][0]))
    return tuple(_standing(name, trial_of.get(name), ranked) for name in baselines.values())


def _standing(
    name: str, trial: TrialRecord | None, ranked: Sequence[tuple[str, NDArray[np.float64]]]
) -> BaselineStanding:
    """Compare one baseline with the ranked trials, given in order of preference."""
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
