import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.conditions import ALWAYS, Above, AllOf, Condition, Equals, Not, OneOf
from search_spaces.domains import Categorical, Domain, Float, Int, LogFloat, LogInt
from search_spaces.space import Config, Dimension, SearchSpace, config_digest

SEEDS = st.integers(0, 2**32 - 1)
VALUES = st.one_of(st.booleans(), st.text(max_size=3), st.floats(-1e6, 1e6), st.integers())


DOMAINS: list[Domain] = [
    Categorical("a", "b"),
    Categorical("a"),
    Int(0, 2),
    LogInt(1, 2),
    Float(0.5, 0.5),
]


def conditions_on(names: list[str]) -> st.SearchStrategy[Condition]:
    """Conditions that read one or two of ``names``."""
    name = st.sampled_from(names)
    atoms: st.SearchStrategy[Condition] = st.one_of(
        st.builds(Equals, name, st.sampled_from(["a", "b", 1])),
        name.map(lambda n: OneOf(n, "b", 2)),
        st.builds(Above, name, st.sampled_from([0.0, 1.0])),
    )
    return st.one_of(st.just(ALWAYS), atoms, atoms.map(Not), st.builds(AllOf, atoms, atoms))


@st.composite
def finite_spaces(draw: Callable[[st.SearchStrategy[Any]], Any]) -> SearchSpace:
    """Spaces of up to five small dimensions with conditions on any earlier ones."""
    dimensions: list[Dimension] = []
    for index in range(draw(st.integers(1, 5))):
        earlier = [dimension.name for dimension in dimensions]
        condition: Condition = draw(conditions_on(earlier)) if earlier else ALWAYS
        dimensions.append(Dimension(f"d{index}", draw(st.sampled_from(DOMAINS)), condition))
    return SearchSpace(tuple(dimensions))


@settings(max_examples=60)
@given(finite_spaces())
def test_the_count_is_the_number_of_points(space: SearchSpace) -> None:
    points = list(space.points())
    assert space.count() == len(points) == space.size
    assert len({config_digest(point) for point in points}) == len(points)
    assert all(space.faults(point) == [] for point in points)


@settings(max_examples=60)
@given(finite_spaces())
def test_a_reduced_space_has_the_same_points(space: SearchSpace) -> None:
    assert list(space.reduced().points()) == list(space.points())
    assert space.reduced().reduced() == space.reduced()


@settings(max_examples=60)
@given(finite_spaces(), SEEDS)
def test_a_sample_is_a_point(space: SearchSpace, seed: int) -> None:
    config = space.sample(np.random.default_rng(seed))
    assert config in list(space.points())
    assert config == space.sample(np.random.default_rng(seed))
    assert space.fixed.items() <= config.items()


@settings(max_examples=60)
@given(finite_spaces(), SEEDS, SEEDS)
def test_completing_a_point_returns_it(space: SearchSpace, first: int, second: int) -> None:
    config = space.sample(np.random.default_rng(first))
    rng = np.random.default_rng(second)
    assert space.complete(config, rng) == config
    for name in config:
        rest: Config = {n: value for n, value in config.items() if n != name}
        assert space.faults(space.complete(rest, rng)) == []


def test_an_interval_makes_a_space_infinite_only_where_it_is_reached() -> None:
    space = SearchSpace.of(optimizer=Categorical("adamw", "sgd"), momentum=Float(0.8, 0.99))
    assert math.isinf(space.where("momentum", Equals("optimizer", "sgd")).count())
    assert space.where("momentum", Equals("optimizer", "lamb")).count() == 2
    with pytest.raises(ValueError, match="infinitely many"):
        list(space.points())


def test_a_condition_on_an_interval_may_hold_or_not() -> None:
    space = SearchSpace.of(alpha=Float(0.0, 1.0), temperature=Categorical(1, 2))
    space = space.where("temperature", Above("alpha", 0.0))
    assert space.reduced() == space
    surely = SearchSpace.of(alpha=LogFloat(0.1, 1.0), temperature=Categorical(1, 2))
    surely = surely.where("temperature", Above("alpha", 0.0))
    assert surely.reduced()["temperature"].when == ALWAYS


def test_a_large_space_is_counted_without_enumeration() -> None:
    domains = {f"d{i}": Categorical(*range(10)) for i in range(60)}
    space = SearchSpace.of(**domains).where("d9", Equals("d3", 1))
    assert space.count() == 10**58 * (10 + 9)


def test_faults_name_missing_unknown_and_invalid_values() -> None:
    space = SearchSpace.of(optimizer=Categorical("adamw", "sgd"), momentum=Float(0.8, 0.99))
    space = space.where("momentum", Equals("optimizer", "sgd"))
    assert space.faults({"optimizer": "sgd"}) == ["momentum: missing, its condition holds"]
    assert "does not hold" in space.faults({"optimizer": "adamw", "momentum": 0.9})[0]
    assert "not in 0.8 to 0.99" in space.faults({"optimizer": "sgd", "momentum": 0.1})[0]
    assert "unknown dimension" in space.faults({"optimizer": "adamw", "speed": 1})[0]


@pytest.mark.parametrize(
    "dimensions",
    [
        (Dimension("a", Int(0, 1)), Dimension("a", Int(0, 1))),
        (Dimension("a", Int(0, 1), Equals("b", 1)), Dimension("b", Int(0, 1))),
    ],
)
def test_repeated_and_unordered_dimensions_are_refused(dimensions: tuple[Dimension, ...]) -> None:
    with pytest.raises(ValueError, match="'a'"):
        SearchSpace(dimensions)


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), st.data())
def test_the_digest_ignores_key_order_and_a_round_trip_as_text(
    config: Config, data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(config.items()))))
    assert config_digest(shuffled) == config_digest(config)
    assert config_digest(json.loads(json.dumps(config))) == config_digest(config)
    assert re.fullmatch("[0-9a-f]{16}", config_digest(config))


def test_digests_differ_by_value_and_name() -> None:
    configs: list[Config] = [{"a": 1}, {"a": 2}, {"a": True}, {"a": "1"}, {"b": 1}, {}]
    assert len({config_digest(config) for config in configs}) == len(configs)
    assert config_digest({"a": 8.0}) == config_digest({"a": 8})
    assert config_digest({"a": 0.1 + 0.2}) == config_digest({"a": 0.3})


def test_dimension_names_need_not_be_identifiers() -> None:
    space = SearchSpace.of({"weight-decay": Float(0.0, 1.0)}, rate=Float(0.0, 1.0))
    assert space.names == ("weight-decay", "rate")
    assert SearchSpace.of({"rate": Float(0.0, 1.0)}) == SearchSpace.of(rate=Float(0.0, 1.0))


def test_anything_but_a_domain_is_refused() -> None:
    with pytest.raises(TypeError, match=r"'rate' needs a Float, .*, got \[1, 2\]"):
        SearchSpace.of(rate=[1, 2])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"SearchSpace\.of\(name=domain"):
        SearchSpace({"rate": Float(0.0, 1.0)})  # type: ignore[arg-type]
