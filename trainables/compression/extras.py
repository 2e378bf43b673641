"""Libraries that compression needs and a bare installation lacks."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

EXTRA = "segsweep[compression]"
"""What brings all of them."""


class MissingExtraError(ImportError):
    """A library that is only installed with an extra is not there."""


def need(module: str, purpose: str) -> Any:  # noqa: ANN401 - these libraries have no types
    """Return the imported ``module``, which ``purpose`` (words in the error) cannot do without.

    Raises:
        MissingExtraError: it is not installed; the message says how to.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations among the libraries themselves
            return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs {module.partition('.')[0]}, which cannot be imported ({error}); "
            f"install it with: pip install '{EXTRA}'"
        ) from error
