import pytest

from orchestrator.search.searchers.base import SearchProblem
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.objectives import Objective
from orchestrator.spec.sweep_spec import DEFAULT_SEARCHER, searcher_names
from search_spaces.domains import Float
from search_spaces.space import SearchSpace

SPACE = SearchSpace.of(x=Float(0, 1))
OBJECTIVES = (Objective("loss", "minimize"),)
PROBLEM = SearchProblem(space=SPACE, objectives=OBJECTIVES)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'bayes'.*random"):
        make_searcher("bayes", PROBLEM)


def test_every_name_makes_a_searcher() -> None:
    assert DEFAULT_SEARCHER in searcher_names()
    for name in searcher_names():
        assert SPACE.faults(make_searcher(name, PROBLEM).propose(0) or {}) == []
