import math

from search_spaces.conditions import Equals, Not
from search_spaces.counting import count_configs
from search_spaces.domains import Categorical, Float, Int
from search_spaces.space import SearchSpace


def test_dimensions_count_only_where_they_are_active() -> None:
    space = SearchSpace.of(kind=Categorical("a", "b"), x=Int(1, 5)).where("x", Equals("kind", "b"))
    number, activity = count_configs(space.dimensions)
    assert number == 1 + 5
    assert activity == {"kind": {True}, "x": {True, False}}


def test_a_space_too_large_to_enumerate_is_counted_exactly() -> None:
    space = SearchSpace.of({f"x{i}": Int(0, 9) for i in range(30)})
    assert count_configs(space.dimensions)[0] == 10**30


def test_an_interval_counts_as_infinite_where_it_is_reached() -> None:
    space = SearchSpace.of(kind=Categorical("a"), x=Float(0, 1))
    assert count_configs(space.dimensions)[0] == math.inf
    never = space.where("x", Not(Equals("kind", "a")))
    assert count_configs(never.dimensions) == (1, {"kind": {True}, "x": {False}})
