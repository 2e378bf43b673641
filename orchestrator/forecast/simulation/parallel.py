"""Simulated sweeps side by side, in processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import joblib  # type: ignore[import-untyped]
from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")


def default_jobs() -> int:
    """Return the number of CPU cores that this process may use."""
    return int(joblib.cpu_count())


def results_in_order(
    function: Callable[[T], R], items: Iterable[T], *, jobs: int = 1
) -> Iterator[R]:
    """Yield what ``function`` returns for each item, in their order, as soon as it is there.

    What it raises is raised here, and ends all. With one job everything happens in this process;
    others are started in the current folder, and end with the last result.

    Args:
        function: Called with one item; with several jobs it goes to other processes by pickle.
        items: Finitely many.
        jobs: Calls at the same time, >= 1.
    """
    if jobs == 1:
        yield from map(function, items)
        return
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
    try:
        yield from parallel(joblib.delayed(function)(item) for item in items)
    finally:
        get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)
