from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from trainables.incremental.config import ExtendConfig, ExtendError


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"ewc": -1.0},
        {"ewc": math.nan},
        {"exemplars": -1},
        {"augmentation": 2.0},
    ],
)
def test_an_impossible_setting_is_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"these must hold: {name} "):
        ExtendConfig(**wrong)


def test_the_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ExtendError("no")))  # noqa: S301
    assert isinstance(error, ExtendError)
    assert str(error) == "no"
