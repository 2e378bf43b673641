from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from search_spaces.domains import Categorical, Float, LogInt

if TYPE_CHECKING:
    from search_spaces.domains import Value


def test_one_and_true_are_different_choices() -> None:
    assert Categorical(1, 2).contains(1)
    assert not Categorical(1, 2).contains(True)


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_an_interval_without_values_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low"):
        Float(low, high)


def test_a_log_domain_needs_positive_bounds() -> None:
    with pytest.raises(ValueError, match="low > 0"):
        LogInt(0, 4)


@pytest.mark.parametrize("given", [["a", "b"], ("a", "b")])
def test_a_single_list_holds_the_choices(given: list[Value]) -> None:
    assert Categorical(given) == Categorical("a", "b")
    assert Categorical(given).choices == ("a", "b")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ((), "none was given"),
        (([],), "none was given"),
        ((["a"], ["b"]), r"text, numbers or booleans, got \[\['a'\], \['b'\]\]"),
        ((None, "a"), r"got \[None\]"),
        (("a", "a"), "must differ"),
    ],
)
def test_invalid_choices_are_refused(choices: tuple[Value, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Categorical(*choices)
