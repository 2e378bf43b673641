"""Imports of the optional libraries."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

EXTRA = "segsweep[compression]"
"""Extra that installs the libraries for compression."""


class MissingExtraError(ImportError):
    """An optional library is not installed."""


def need(module: str, purpose: str) -> Any:  # noqa: ANN401 - these libraries have no types
    """Return the imported ``module``; ``purpose`` names in the error what needs it.

    Raises:
        MissingExtraError: it is not installed; the message has the command to install it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations between the libraries
            return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs {module.partition('.')[0]}, which cannot be imported ({error}); "
            f"install it with: pip install '{EXTRA}'"
        ) from error
