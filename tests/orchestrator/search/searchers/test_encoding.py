from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.search.searchers.encoding import Encoder, from_unit, to_unit
from search_spaces.conditions import Equals
from search_spaces.domains import Categorical, Float, Int, LogFloat, LogInt
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from search_spaces.space import Config

SPACE = SearchSpace.of(
    kind=Categorical("a", True, 1), rate=LogFloat(1e-4, 1.0), extra=Int(2, 6)
).where("extra", Equals("kind", "a"))
DOMAINS = (Float(-2, 5), LogFloat(1e-4, 10), Int(-3, 9), LogInt(1, 300), Int(4, 4))


@pytest.mark.parametrize("domain", DOMAINS)
@given(unit=st.floats(-0.5, 1.5))
def test_numbers_survive_a_round_trip(domain: Float | LogFloat | Int | LogInt, unit: float) -> None:
    value = from_unit(domain, unit)
    assert domain.contains(value)
    assert domain.contains(from_unit(domain, to_unit(domain, value)))
    assert to_unit(domain, from_unit(domain, to_unit(domain, value))) == pytest.approx(
        to_unit(domain, value), abs=1e-9
    )


def test_categories_are_at_distance_one() -> None:
    encoder = Encoder(SPACE)
    a = encoder.encode({"kind": True, "rate": 0.1})
    b = encoder.encode({"kind": 1, "rate": 0.1})
    assert np.linalg.norm(a - b) == pytest.approx(1.0)


def test_logarithmic_and_inactive_dimensions_are_encoded() -> None:
    encoder = Encoder(SPACE)
    assert encoder.width == 5
    assert encoder.groups.tolist() == [0, 0, 0, 1, 2]
    assert encoder.encode({"kind": 1, "rate": 0.01})[3:] == pytest.approx([0.5, 0.5])
    assert encoder.encode({"kind": "a", "rate": 1.0, "extra": 6})[3:] == pytest.approx([1, 1])


def test_known_metrics_are_columns() -> None:
    space = SearchSpace.of(layers=Int(1, 5), width=LogInt(8, 512))

    def known(config: Config) -> dict[str, float]:
        return {"params": float(config["layers"]) * float(config["width"]) ** 2, "same": 3.0}

    encoder = Encoder(space, known, ("params", "same", "unknown"))
    assert encoder.groups.tolist() == [0, 1, 2]
    wide = encoder.encode({"layers": 1, "width": 64})
    deep = encoder.encode({"layers": 4, "width": 32})
    assert wide[2] == pytest.approx(deep[2])
    assert encoder.encode({"layers": 1, "width": 8})[2] < 0.1
    assert encoder.encode({"layers": 4, "width": 32}, {"params": 1e9})[2] == 1.5
