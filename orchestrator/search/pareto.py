"""Pareto dominance: fronts, ranks, hypervolume of points with directions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import moocore
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from orchestrator.spec.objectives import Objective

REFERENCE_MARGIN = 0.1
"""Share of an objective's range by which the default reference point lies beyond the worst."""


def as_minimised(points: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """Return ``points`` with maximised columns negated, so that less is better everywhere.

    Args:
        points: n x k values, one row per point, one column per objective; may have no rows.
        objectives: the k columns' names and directions.

    Raises:
        ValueError: the number of columns is not the number of objectives.
    """
    values = np.array(points, dtype=np.float64)
    if values.size == 0:
        return np.empty((0, len(objectives)))
    if values.ndim != 2 or values.shape[1] != len(objectives):
        raise ValueError(
            f"points must be rows of {len(objectives)} values "
            f"({', '.join(o.name for o in objectives)}), got an array of shape {values.shape}"
        )
    return values * _signs(objectives)


def pareto_front(points: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.intp]:
    """Return the indices of the points that no other point dominates, in increasing order.

    A point that is not finite is never on the front and dominates nothing. Equal points do not
    dominate each other, so all copies of a point on the front are on it.
    """
    values = as_minimised(points, objectives)
    sound = _sound(values)
    if sound.size == 0:
        return sound
    kept = moocore.is_nondominated(values[sound], keep_weakly=True)
    front: NDArray[np.intp] = sound[np.asarray(kept, dtype=bool)]
    return front


def non_dominated_ranks(points: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.intp]:
    """Return each point's layer: 0 on the front, 1 on the front of the rest, and so on.

    Equal points share a layer. Points that are not finite share one layer behind all others.
    """
    values = as_minimised(points, objectives)
    ranks = np.zeros(len(values), dtype=np.intp)
    sound = _sound(values)
    if sound.size:
        ranks[sound] = moocore.pareto_rank(values[sound])
    behind = int(ranks[sound].max()) + 1 if sound.size else 0
    ranks[~np.isfinite(values).all(axis=1)] = behind
    return ranks


def crowding_distance(points: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """Return how far apart each point's neighbours are, summed over objectives; more is lonelier.

    The points are taken as one layer. Each objective is scaled to its range; the first and last
    point of an objective are infinitely lonely. Points that are not finite get 0.

    Source: Deb, Pratap, Agarwal, Meyarivan 2002, NSGA-II.
    """
    values = as_minimised(points, objectives)
    distance = np.zeros(len(values))
    sound = _sound(values)
    for column in values[sound].T if sound.size else ():
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        span = ordered[-1] - ordered[0]
        gaps = np.full(len(order), np.inf)
        if len(order) > 2:
            gaps[1:-1] = (ordered[2:] - ordered[:-2]) / span if span > 0 else 0.0
        distance[sound[order]] += gaps
    return distance


def hypervolume(
    points: ArrayLike, objectives: Sequence[Objective], reference_point: Mapping[str, float]
) -> float:
    """Return the volume that the points dominate up to the reference point; more is better.

    Points that are not finite, and points that are not better than the reference point in every
    objective, add nothing.

    Raises:
        KeyError: the reference point lacks an objective.
    """
    reference = reference_values(objectives, reference_point)
    values = as_minimised(points, objectives)
    inside = values[(np.isfinite(values) & (values < reference)).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    return float(moocore.hypervolume(inside, ref=reference))


def share_of_perfect(
    volume: float, objectives: Sequence[Objective], reference_point: Mapping[str, float]
) -> float:
    """Return ``volume`` over that of a perfect trial; 0 where the reference point is perfect.

    A perfect trial has 1 of every maximised objective and 0 of every minimised one, which
    accuracies and costs cannot pass. Objectives without a reference value do not count.
    """
    whole = math.prod(
        abs((each.direction == "maximize") - reference_point[each.name])
        for each in objectives
        if each.name in reference_point
    )
    return volume / whole if whole > 0 else 0.0


def reference_values(
    objectives: Sequence[Objective], reference_point: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return the reference point as k values of which less is better.

    Raises:
        KeyError: the reference point lacks an objective.
    """
    missing = [o.name for o in objectives if o.name not in reference_point]
    if missing:
        raise KeyError(
            f"the reference point has no {', '.join(missing)}; it has {sorted(reference_point)}"
        )
    values = np.array([reference_point[o.name] for o in objectives], dtype=np.float64)
    return values * _signs(objectives)


def default_reference_point(points: ArrayLike, objectives: Sequence[Objective]) -> dict[str, float]:
    """Return a reference point just beyond the worst of ``points``.

    A maximised objective without negative values takes 0, the worst an accuracy can be. Any other
    takes the worst finite value and a tenth of the range more (of the value's size where all are
    equal). Without any finite value it is 0 for maximised and 1 for minimised objectives.
    """
    values = as_minimised(points, objectives)
    chosen: dict[str, float] = {}
    for objective, column in zip(objectives, values.T, strict=True):
        finite = column[np.isfinite(column)]
        sign = -1.0 if objective.direction == "maximize" else 1.0
        if finite.size == 0:
            chosen[objective.name] = 0.0 if sign < 0 else 1.0
        elif sign < 0 and finite.max() <= 0:
            chosen[objective.name] = 0.0
        else:
            worst = float(finite.max())
            span = float(finite.max() - finite.min()) or abs(worst) or 1.0
            chosen[objective.name] = sign * (worst + REFERENCE_MARGIN * span)
    return chosen


def knee_point(points: ArrayLike, objectives: Sequence[Objective]) -> int | None:
    """Return the index of the front's best compromise; None where no point is finite.

    Every objective is scaled to the front's range, 0 the best and 1 the worst; the knee is the
    point that lies farthest below the plane through the extremes, which is the one with the least
    sum. The first of equal ones is taken.
    """
    front = pareto_front(points, objectives)
    if front.size == 0:
        return None
    values = as_minimised(points, objectives)[front]
    low = values.min(axis=0)
    span = values.max(axis=0) - low
    scaled = np.divide(values - low, span, out=np.zeros_like(values), where=span > 0)
    return int(front[np.argmin(scaled.sum(axis=1))])


def with_point(
    front: NDArray[np.float64], point: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the front (minimised rows) with one more point; None where it brings nothing new.

    Rows that the point dominates are left out. A point equal to a row brings nothing new, neither
    does one with NaN.
    """
    if np.isnan(point).any() or (front <= point).all(axis=1).any():
        return None
    return np.vstack([front[~(point <= front).all(axis=1)], point])


def _signs(objectives: Sequence[Objective]) -> NDArray[np.float64]:
    return np.array([-1.0 if o.direction == "maximize" else 1.0 for o in objectives])


def _sound(values: NDArray[np.float64]) -> NDArray[np.intp]:
    rows: NDArray[np.intp] = np.flatnonzero(np.isfinite(values).all(axis=1))
    return rows
