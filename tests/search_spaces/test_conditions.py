import pytest

from search_spaces.conditions import ALWAYS, Above, AllOf, Condition, Equals, Not, OneOf
from search_spaces.domains import Value

BOTH = AllOf(Equals("a", 1), OneOf("b", "x", "y"))


@pytest.mark.parametrize(
    ("condition", "config", "holds"),
    [
        (Equals("a", 1), {"a": 1}, True),
        (Equals("a", 1), {"a": 2}, False),
        (Equals("a", 1), {}, False),
        (OneOf("a", 1, 2), {"a": 2}, True),
        (OneOf("a", 1, 2), {}, False),
        (Above("a", 0.0), {"a": 0.5}, True),
        (Above("a", 0.0), {"a": 0.0}, False),
        (Above("a", 0.0), {"a": "much"}, False),
        (Above("a", 0.0), {}, False),
        (Not(Equals("a", 1)), {}, True),
        (BOTH, {"a": 1, "b": "y"}, True),
        (BOTH, {"a": 1}, False),
        (ALWAYS, {}, True),
    ],
)
def test_a_condition_holds(condition: Condition, config: dict[str, Value], holds: bool) -> None:  # noqa: FBT001
    assert condition.holds(config) is holds


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Equals("keep", value=True), "keep is true"),
        (BOTH, "a is 1 and b is x or y"),
        (Not(Above("a", 0.0)), "not (a is above 0)"),
        (ALWAYS, "always"),
    ],
)
def test_a_condition_as_text(condition: Condition, words: str) -> None:
    assert str(condition) == words


def test_a_condition_names_its_parents() -> None:
    assert Not(BOTH).parents == {"a", "b"}
    assert ALWAYS.parents == frozenset()
