import pytest

from orchestrator.events import Objective
from orchestrator.searchers.registry import DEFAULT_SEARCHER, make_searcher, searcher_names
from search_spaces.domains import Float
from search_spaces.space import SearchSpace

SPACE = SearchSpace.of(x=Float(0, 1))
OBJECTIVES = (Objective("loss", "minimize"),)


def test_an_unknown_name_gets_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'bayes'.*random"):
        make_searcher("bayes", SPACE, OBJECTIVES)


def test_nothing_wanted_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one objective"):
        make_searcher("random", SPACE, ())


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        make_searcher("random", SPACE, OBJECTIVES, seed=-1)


def test_the_default_comes_first() -> None:
    assert searcher_names()[0] == DEFAULT_SEARCHER
