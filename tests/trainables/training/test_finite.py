from __future__ import annotations

import math
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.training.finite import (
    DivergedError,
    NotFiniteError,
    broken_weights,
    extremes_are_finite,
    largest,
    require_finite,
)

numbers = st.lists(st.floats(width=32, allow_nan=True), min_size=1, max_size=6)


@given(numbers)
def test_one_pass_finds_every_value_that_is_not_finite(values: list[float]) -> None:
    found = extremes_are_finite(torch.tensor(values))
    assert bool(found) == all(map(math.isfinite, values))


@given(st.lists(numbers, max_size=4))
def test_the_largest_is_finite_exactly_where_all_values_are(tensors: list[list[float]]) -> None:
    found = largest(torch.tensor(values) for values in tensors)
    everything = [value for values in tensors for value in values]
    assert bool(found.isfinite()) == all(map(math.isfinite, everything))
    if bool(found.isfinite()):
        assert float(found) == max(map(abs, everything), default=0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_broken_weights_are_named(bad: float, dtype: torch.dtype) -> None:
    weights = {
        "first.weight": torch.ones(2, 3),
        "last.bias": torch.tensor([1.0, bad], dtype=dtype),
        "norm.num_batches_tracked": torch.tensor(4),
        "empty": torch.zeros(0),
    }
    assert broken_weights(weights) == ["last.bias"]
    assert broken_weights({**weights, "last.bias": torch.ones(1, dtype=dtype)}) == []
    assert broken_weights({}) == []


def test_all_broken_figures_are_named_together() -> None:
    require_finite({"miou": 0.5})
    with pytest.raises(NotFiniteError, match=r"^loss is nan, mae_50 is inf$"):
        require_finite({"loss": math.nan, "miou": 0.5, "mae_50": math.inf})


def test_the_errors_survive_pickling() -> None:
    for kind in (NotFiniteError, DivergedError):
        assert str(pickle.loads(pickle.dumps(kind("x")))) == "x"  # noqa: S301 - our own bytes
