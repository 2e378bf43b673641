"""Pareto fronts, non-dominated ranks and hypervolume of points with directions."""

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
"""Share of an objective's range by which the default reference point is worse than the worst."""


def as_minimised(points: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """Return ``points`` as n x k floats with maximised columns negated: all are minimised.

    Args:
        points: n x k values, one column per objective, n >= 0.
        objectives: names and directions of the k columns.

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

    A point with a value that is not finite is never on the front and dominates nothing. All copies
    of a point on the front are on it, as equal points do not dominate each other.
    """
    values = as_minimised(points, objectives)
    finite = _finite_rows(values)
    if finite.size == 0:
        return finite
    nondominated = moocore.is_nondominated(values[finite], keep_weakly=True)
    front: NDArray[np.intp] = finite[np.asarray(nondominated, dtype=bool)]
    return front


def non_dominated_ranks(points: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.intp]:
    """Return each point's rank: 0 on the front, 1 on the front of the others, and so on.

    Equal points share a rank. Points that are not finite share the last rank.
    """
    values = as_minimised(points, objectives)
    finite = _finite_rows(values)
    if not finite.size:
        return np.zeros(len(values), dtype=np.intp)
    finite_ranks = moocore.pareto_rank(values[finite])
    ranks = np.full(len(values), int(finite_ranks.max()) + 1, dtype=np.intp)
    ranks[finite] = finite_ranks
    return ranks


def crowding_distance(points: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """Return the n crowding distances of points of one rank; larger is less crowded.

    It is the distance between a point's neighbours, summed over the objectives, each scaled to its
    range. The first and last point of an objective have inf, points that are not finite 0.

    Source: Deb, Pratap, Agarwal, Meyarivan 2002, NSGA-II.
    """
    values = as_minimised(points, objectives)
    distance = np.zeros(len(values))
    finite = _finite_rows(values)
    for column in values[finite].T if finite.size else ():
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        span = ordered[-1] - ordered[0]
        gaps = np.full(len(order), np.inf)
        if len(order) > 2:
            gaps[1:-1] = (ordered[2:] - ordered[:-2]) / span if span > 0 else 0.0
        distance[finite[order]] += gaps
    return distance


def hypervolume(
    points: ArrayLike, objectives: Sequence[Objective], reference_point: Mapping[str, float]
) -> float:
    """Return the volume that the points dominate up to the reference point; larger is better.

    Points that are not finite, or not better than the reference point in every objective, add 0.

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
    """Return ``volume`` over the hypervolume of a perfect trial; 0 where that is 0.

    A perfect trial has 1 of every maximised objective and 0 of every minimised one, the limits of
    accuracies and costs. Objectives without a reference value are left out.
    """
    perfect = math.prod(
        abs((o.direction == "maximize") - reference_point[o.name])
        for o in objectives
        if o.name in reference_point
    )
    return volume / perfect if perfect > 0 else 0.0


def reference_values(
    objectives: Sequence[Objective], reference_point: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return the reference point as k minimised values.

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
    """Return a reference point slightly worse than the worst of ``points``.

    A maximised objective without negative values has 0, the lowest accuracy. Any other has its
    worst finite value, worsened by a tenth of its range, or of its magnitude where all are equal.
    Without a finite value, a maximised objective has 0 and a minimised one 1.
    """
    values = as_minimised(points, objectives)
    reference: dict[str, float] = {}
    for objective, column in zip(objectives, values.T, strict=True):
        finite = column[np.isfinite(column)]
        sign = -1.0 if objective.direction == "maximize" else 1.0
        if finite.size == 0:
            reference[objective.name] = 0.0 if sign < 0 else 1.0
        elif sign < 0 and finite.max() <= 0:
            reference[objective.name] = 0.0
        else:
            worst = float(finite.max())
            span = float(finite.max() - finite.min()) or abs(worst) or 1.0
            reference[objective.name] = sign * (worst + REFERENCE_MARGIN * span)
    return reference


def knee_point(points: ArrayLike, objectives: Sequence[Objective]) -> int | None:
    """Return the index of the front's knee point; None where no point is finite.

    Objectives are scaled to the front's range, 0 the best and 1 the worst. The knee point has the
    least sum: it lies farthest below the plane through the extremes. Ties go to the first point.
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
    """Return the front with ``point`` and without the rows it dominates; None if it adds nothing.

    A point adds nothing that has NaN, equals a row of the front or is dominated by one.

    Args:
        front: n x k minimised values.
        point: k minimised values.
    """
    if np.isnan(point).any() or (front <= point).all(axis=1).any():
        return None
    return np.vstack([front[~(point <= front).all(axis=1)], point])


def _signs(objectives: Sequence[Objective]) -> NDArray[np.float64]:
    return np.array([-1.0 if o.direction == "maximize" else 1.0 for o in objectives])


def _finite_rows(values: NDArray[np.float64]) -> NDArray[np.intp]:
    rows: NDArray[np.intp] = np.flatnonzero(np.isfinite(values).all(axis=1))
    return rows


class GrowingFront:
    """Keeps the points that no other one dominates, at the cost of the front's size a point."""

    def __init__(
        self, objectives: Sequence[Objective], reference_point: Mapping[str, float]
    ) -> None:
        self._objectives = tuple(objectives)
        self._reference = reference_values(objectives, reference_point)
        self._front = np.empty((0, len(self._objectives)))
        self.hypervolume = 0.0
        """Volume that the points so far dominate, >= 0."""

    def add(self, point: Sequence[float]) -> bool:
        """Take in one point; return whether the hypervolume grew. NaN never grows it."""
        value = as_minimised([list(point)], self._objectives)[0]
        grown = with_point(self._front, value) if (value < self._reference).all() else None
        if grown is None:
            return False
        self._front = grown
        self.hypervolume = float(moocore.hypervolume(self._front, ref=self._reference))
        return True
