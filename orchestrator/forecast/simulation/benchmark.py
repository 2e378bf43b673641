"""The interface of benchmarks, and benchmarks loaded by MODULE:ATTRIBUTE."""

from __future__ import annotations

import importlib
import inspect
import math
import sys
import sysconfig
import traceback
from collections.abc import Mapping
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np

from orchestrator.spec.objectives import Objective
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from numpy.typing import ArrayLike, NDArray

    from search_spaces.space import Config


ObjectivesLike: TypeAlias = "Sequence[Objective | tuple[str, str]] | Mapping[str, str]"
"""Objectives, ``(name, direction)`` pairs, or a mapping from names to directions, in order."""

_PACKAGES = Path(__file__).parents[3]
_NOT_THEIRS = (
    "<",
    f"{sysconfig.get_path('stdlib')}/",
    *(f"{_PACKAGES / name}/" for name in ("orchestrator", "search_spaces")),
)
"""How the file names of code begin that is not a benchmark's."""
_DIRECTIONS = {"minimize": "minimize", "min": "minimize", "maximize": "maximize", "max": "maximize"}


class BenchmarkError(ValueError):
    """A benchmark cannot be loaded, or does not offer what it must."""


@runtime_checkable
class Benchmark(Protocol):
    """A search space whose learning curves are computed instead of trained.

    Costs that a real sweep measures after a trial has started, such as a latency, come from an
    optional method ``measured(config)``; its time is an optional attribute ``measurement_seconds``,
    part of the first epoch's. Searcher and cost gate see them as measurements of that trial.

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
        """Names and directions: the first is learned over epochs, the others are costs."""

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
        """Return the costs of ``config`` that need no measurement."""

    def curve(self, config: Config, seed: int) -> tuple[ArrayLike, ArrayLike]:
        """Return two arrays over epochs: the learned objective, the cumulative seconds.

        The same arguments give the same arrays.
        """


def objectives_of(benchmark: Benchmark) -> tuple[Objective, ...]:
    """Return a benchmark's objectives as values.

    Raises:
        ValueError: there is none, one is there twice, or a direction is not minimize or maximize.
    """
    given = benchmark.objectives
    entries = list(given.items()) if hasattr(given, "items") else list(given)
    if not entries:
        raise ValueError("a benchmark needs at least one objective, it has none")
    if not all(isinstance(entry, Objective) or _is_pair(entry) for entry in entries):
        raise ValueError(
            f"objectives must be directions by name, or (name, direction) pairs, got {given!r}"
        )
    found = tuple(_objective(entry) for entry in entries)
    if len({objective.name for objective in found}) < len(found):
        raise ValueError(f"objectives must have names of their own, got {given!r}")
    return found


def _is_pair(entry: object) -> bool:
    return isinstance(entry, tuple | list) and len(entry) == 2


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


def blamed(what: str, error: Exception) -> BenchmarkError:
    """Return the error that tells which line of a benchmark's own code raised ``error``.

    Args:
        what: What that code was doing, as a message begins.
        error: What it raised.
    """
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [each for each in frames if _is_theirs(each.filename)]
    place = f" ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else ""
    return BenchmarkError(f"{what} raised {type(error).__name__}: {error}{place}")


def known_of(benchmark: Benchmark, config: Config) -> dict[str, float]:
    """Return the static costs of ``config``.

    Raises:
        BenchmarkError: ``known`` raises an error, or returns a value that is no number.
    """
    return _costs(benchmark.known, "known", config)


def measured_of(benchmark: Benchmark, config: Config) -> dict[str, float]:
    """Return the costs of ``config`` that are measured after its trial has started, if any.

    Raises:
        BenchmarkError: ``measured`` raises an error, or returns a value that is no number.
    """
    method = getattr(benchmark, "measured", None)
    return {} if method is None else _costs(method, "measured", config)


def _costs(
    method: Callable[[Config], Mapping[str, float]], name: str, config: Config
) -> dict[str, float]:
    try:
        return {metric: float(value) for metric, value in method(config).items()}
    except Exception as error:
        raise blamed(f"{name}() of {config}", error) from error


def curve_of(
    benchmark: Benchmark, config: Config, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the learned objective after each epoch, and the seconds that each took.

    Raises:
        BenchmarkError: ``benchmark`` raises an error, or breaks the protocol.
    """
    try:
        values, seconds = (
            np.asarray(array, dtype=np.float64) for array in benchmark.curve(config, seed)
        )
    except Exception as error:
        raise blamed(f"curve() of {config}", error) from error
    epochs = benchmark.max_epochs
    if values.shape != (epochs,) or seconds.shape != (epochs,):
        raise BenchmarkError(
            f"curve() must return two arrays of max_epochs = {epochs} numbers, got shapes "
            f"{values.shape} and {seconds.shape} for {config}"
        )
    durations = np.diff(seconds, prepend=0.0)
    if not (durations >= 0).all():
        raise BenchmarkError(f"curve() must return seconds that never fall, for {config} they do")
    return values, durations


def _is_theirs(file: str) -> bool:
    """Whether code of ``file`` is neither a library's nor ours, nor the interpreter's own."""
    return not file.startswith(_NOT_THEIRS) and "site-packages" not in file


_FIELDS = ("space", "objectives", "max_epochs", "reference_point", "full_training_seconds")
_METHODS = ("known", "curve")

FORMER_PACKAGE = "orchestrator.simulation."
"""Where our benchmarks lay in release 0; specs and scripts may still name them so."""


def load_benchmark(text: str) -> Benchmark:
    """Return the benchmark at ``MODULE:ATTRIBUTE``; a class or function there is called.

    Modules are also looked for in the current folder; ``FOLDER/FILE.py`` names one by its file.

    Raises:
        BenchmarkError: the text, the module, the attribute or the benchmark is faulty; all that
            the benchmark lacks is named at once.
    """
    module_name, colon, attribute = text.partition(":")
    if not (module_name and colon and attribute):
        raise BenchmarkError(
            f"{text!r} is no benchmark; write MODULE:ATTRIBUTE, for example "
            "orchestrator.forecast.simulation.synthetic:crossing"
        )
    module = _module(module_name)
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [name for name in dir(found) if not name.startswith("_")]
            raise BenchmarkError(
                f"{text}: {module.__name__} has no {attribute!r}; it has {', '.join(public)}"
            )
        found = getattr(found, part)
    if isinstance(found, type) or not hasattr(found, "space"):
        found = _call(found, text)
    return checked(found, text)


@lru_cache(maxsize=1)
def loaded_benchmark(text: str) -> Benchmark:
    """Return the benchmark at ``MODULE:ATTRIBUTE``, loaded once in each process.

    Raises:
        BenchmarkError: as ``load_benchmark`` does.
    """
    return load_benchmark(text)


def checked(found: object, text: str) -> Benchmark:
    """Return ``found`` as a benchmark.

    Raises:
        BenchmarkError: it is none; ``text`` says which in the message.
    """
    lacking = [name for name in _FIELDS if not hasattr(found, name)]
    lacking += [f"{name}()" for name in _METHODS if not callable(getattr(found, name, None))]
    if lacking or not isinstance(found, Benchmark):
        raise BenchmarkError(
            f"{text} is a {type(found).__name__} without {', '.join(lacking)}; a benchmark needs "
            f"{', '.join(_FIELDS)}, known(config) and curve(config, seed)"
        )
    faults = list(_faults(found))
    if faults:
        raise BenchmarkError(f"{text}: {'; '.join(faults)}")
    return found


def _faults(found: Benchmark) -> Iterator[str]:
    """Say what is wrong with the values of a benchmark's fields."""
    space: object = found.space
    reference: object = found.reference_point
    epochs, seconds = found.max_epochs, found.full_training_seconds
    if not isinstance(space, SearchSpace):
        yield f"space must be a search_spaces.SearchSpace, got {type(space).__name__}"
    elif not space.names:
        yield "space must have a dimension, it has none"
    if not _is_finite(epochs) or epochs != round(epochs) or epochs < 1:
        yield f"max_epochs must be a whole number of at least 1, got {epochs!r}"
    if not _is_finite(seconds) or not seconds > 0:
        yield f"full_training_seconds must be a number above 0, got {seconds!r}"
    try:
        names = [objective.name for objective in objectives_of(found)]
    except ValueError as error:
        yield str(error)
        return
    if not isinstance(reference, Mapping):
        yield f"reference_point must be a value by objective, got {reference!r}"
        return
    missing = [name for name in names if name not in reference]
    if missing:
        yield f"reference_point has no {', '.join(missing)}"
    strange = {n: reference[n] for n in names if n in reference and not _is_finite(reference[n])}
    if strange:
        yield f"reference_point must have finite numbers, got {strange}"


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _module(name: str) -> ModuleType:
    folder = Path.cwd()
    if name.startswith(FORMER_PACKAGE):
        name = f"orchestrator.forecast.simulation.{name.removeprefix(FORMER_PACKAGE)}"
    if name.endswith(".py"):
        file = Path(name).absolute()
        if not file.is_file():
            raise BenchmarkError(f"there is no file {file}")
        folder, name = file.parent, file.stem
    if not all(part.isidentifier() for part in name.split(".")):
        raise BenchmarkError(
            f"{name!r} is no module's name; write MODULE:ATTRIBUTE, FILE.py:ATTRIBUTE"
        )
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise BenchmarkError(
            f"there is no module {error.name!r}; {name} is looked for among the installed "
            f"packages and in {folder}"
        ) from error
    except Exception as error:
        raise blamed(f"importing {name}", error) from error


def _call(found: object, text: str) -> object:
    if not callable(found):
        return found
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise BenchmarkError(f"{text} cannot be called without arguments: {error}") from error
    except ValueError:  # a built-in function without a signature
        pass
    try:
        return found()
    except Exception as error:
        raise blamed(f"{text}, called without arguments,", error) from error
