"""Benchmarks found by the text MODULE:ATTRIBUTE."""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from collections.abc import Mapping
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.forecast.simulation.benchmark import (
    Benchmark,
    BenchmarkError,
    blamed,
    objectives_of,
)
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

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
