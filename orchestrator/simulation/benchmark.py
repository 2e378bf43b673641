"""What a benchmark must offer to be simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from orchestrator.events import Objective

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from search_spaces.space import Config, SearchSpace

ObjectivesLike: TypeAlias = "Sequence[Objective | tuple[str, str]] | Mapping[str, str]"
"""Objectives, ``(name, direction)`` pairs, or a mapping from names to directions, in order."""

_DIRECTIONS = {"minimize": "minimize", "min": "minimize", "maximize": "maximize", "max": "maximize"}


class BenchmarkError(ValueError):
    """A benchmark cannot be loaded, or does not offer what it must."""


@runtime_checkable
class Benchmark(Protocol):
    """A search space whose trials need not be trained: their learning curves can be asked for.

    Example:
        >>> class Toy:
        ...     space = SearchSpace.of(rate=LogFloat(1e-4, 1.0), width=LogInt(8, 512))
        ...     objectives = (Objective("error", "minimize"), Objective("params", "minimize"))
        ...     max_epochs = 3
        ...     reference_point = {"error": 1.0, "params": 600.0}
        ...     full_training_seconds = 30.0
        ...
        ...     def known(self, config):
        ...         return {"params": float(config["width"])}
        ...
        ...     def curve(self, config, seed):
        ...         final = abs(math.log10(config["rate"]) + 2) / 4 + 1 / config["width"]
        ...         return [final + 0.3, final + 0.1, final], [10.0, 20.0, 30.0]
    """

    @property
    def space(self) -> SearchSpace:
        """What may be tried."""

    @property
    def objectives(self) -> ObjectivesLike:
        """Names and directions: the first is learned over epochs, the others are known before."""

    @property
    def max_epochs(self) -> int:
        """Epochs of a full training, >= 1."""

    @property
    def reference_point(self) -> Mapping[str, float]:
        """A value of every objective, beyond which a point adds no hypervolume."""

    @property
    def full_training_seconds(self) -> float:
        """Seconds that one unit of the budget stands for, > 0."""

    def known(self, config: Config) -> Mapping[str, float]:
        """Return the objectives of ``config`` that are known before training."""

    def curve(self, config: Config, seed: int) -> tuple[ArrayLike, ArrayLike]:
        """Return two arrays over epochs: the learned objective, the cumulative seconds.

        The same arguments give the same arrays.
        """


def objectives_of(benchmark: Benchmark) -> tuple[Objective, ...]:
    """Return a benchmark's objectives as values.

    Raises:
        ValueError: there is none, or a direction is not minimize or maximize.
    """
    given = benchmark.objectives
    entries = list(given.items()) if hasattr(given, "items") else list(given)
    if not entries:
        raise ValueError("a benchmark needs at least one objective, it has none")
    return tuple(_objective(entry) for entry in entries)


def _objective(entry: Objective | tuple[str, str]) -> Objective:
    if isinstance(entry, Objective):
        name, direction = entry.name, str(entry.direction)
    else:
        name, direction = entry
    if direction not in _DIRECTIONS:
        raise ValueError(
            f"objective {name!r} has direction {direction!r}; take minimize or maximize"
        )
    return Objective(name, _DIRECTIONS[direction])  # type: ignore[arg-type]
