"""Benchmarks found by the text MODULE:ATTRIBUTE."""

from __future__ import annotations

import importlib
import inspect
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.simulation.benchmark import Benchmark, BenchmarkError, blamed, objectives_of
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from types import ModuleType

_FIELDS = ("space", "objectives", "max_epochs", "reference_point", "full_training_seconds")
_METHODS = ("known", "curve")


def load_benchmark(text: str) -> Benchmark:
    """Return the benchmark at ``MODULE:ATTRIBUTE``; a class or function there is called.

    Modules are also looked for in the current folder.

    Raises:
        BenchmarkError: the text, the module, the attribute or the benchmark is faulty; all that
            the benchmark lacks is named at once.
    """
    module_name, colon, attribute = text.partition(":")
    if not (module_name and colon and attribute):
        raise BenchmarkError(
            f"{text!r} is no benchmark; write MODULE:ATTRIBUTE, for example "
            "orchestrator.simulation.synthetic:crossing"
        )
    found: object = _module(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [name for name in dir(found) if not name.startswith("_")]
            raise BenchmarkError(
                f"{text}: {module_name} has no {attribute!r}; it has {', '.join(public)}"
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
    if not isinstance(found.space, SearchSpace):
        raise BenchmarkError(
            f"{text}: space must be a search_spaces.space.SearchSpace, got "
            f"{type(found.space).__name__}"
        )
    try:
        objectives = objectives_of(found)
    except ValueError as error:
        raise BenchmarkError(f"{text}: {error}") from error
    missing = [o.name for o in objectives if o.name not in found.reference_point]
    if missing:
        raise BenchmarkError(f"{text}: reference_point has no {', '.join(missing)}")
    return found


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    with blamed(f"importing {name}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise BenchmarkError(
                f"there is no module {error.name!r}; {name} is looked for among the installed "
                f"packages and in {here}"
            ) from error


def _call(found: object, text: str) -> object:
    if not callable(found):
        return found
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise BenchmarkError(f"{text} cannot be called without arguments: {error}") from error
    except ValueError:  # a built-in function without a signature
        pass
    with blamed(f"{text}, called without arguments,"):
        return found()
