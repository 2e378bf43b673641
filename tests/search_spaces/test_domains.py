import pytest

from search_spaces.domains import Categorical, Float, LogInt


def test_a_categorical_tells_one_from_true() -> None:
    assert Categorical(1, 2).contains(1)
    assert not Categorical(1, 2).contains(True)


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_an_interval_without_values_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low"):
        Float(low, high)


def test_a_log_domain_needs_positive_bounds() -> None:
    with pytest.raises(ValueError, match="low > 0"):
        LogInt(0, 4)
