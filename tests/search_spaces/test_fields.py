from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.fields import (
    ACTIVE_WHERE,
    FIELDS,
    FILLED,
    BackboneField,
    ChoiceField,
    FlagField,
    NumberField,
    without_inactive,
)

SHARE = NumberField(low=0, high=1, open_low=True)
COUNT = NumberField(low=1, integer=True)


@given(st.floats(0, 1, exclude_min=True))
def test_a_number_reads_from_its_text(number: float) -> None:
    assert SHARE.read(repr(number)) == SHARE.read(number) == number


@pytest.mark.parametrize("value", [0, 1.5, math.nan, math.inf, "much", True, None, [0.5]])
def test_a_number_outside_its_interval_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"is not a number in \(0, 1\]"):
        SHARE.read(value)


def test_an_integer_may_be_an_integral_float() -> None:
    read = COUNT.read("8.0")
    assert (read, type(read)) == (8, int)
    with pytest.raises(ValueError, match="is not a whole number >= 1"):
        COUNT.read(8.5)


def test_a_choice_suggests_the_closest_name() -> None:
    field = ChoiceField(("none", "fp16"), available=("none",))
    with pytest.raises(ValueError, match=r"'fp61' is not one of none; did you mean 'fp16'\?"):
        field.read("fp61")
    with pytest.raises(ValueError, match="not available in this version yet; available: none"):
        field.read("fp16")


def test_a_choice_of_numbers_reads_text() -> None:
    assert ChoiceField((8, 16)).read("16") == 16
    with pytest.raises(ValueError, match="True is not one of 1, 2"):
        ChoiceField((1, 2)).read(True)


@pytest.mark.parametrize("value", ["true", 1, None])
def test_a_flag_is_a_bool(value: object) -> None:
    assert FlagField().read(False) is False
    with pytest.raises(ValueError, match="is not true or false"):
        FlagField().read(value)


def test_a_backbone_is_a_known_name_or_a_name_of_a_library() -> None:
    field = BackboneField(("resnet18",), ("timm",))
    assert field.read("timm/tf_efficientnet.in1k") == "timm/tf_efficientnet.in1k"
    for wrong in ("resnet81", "other/resnet18", "timm/", "timm/a b"):
        with pytest.raises(ValueError, match="is not one of resnet18, timm/NAME"):
            field.read(wrong)


def test_conditional_fields_have_defaults_and_read_only_earlier_ones() -> None:
    assert FILLED.keys() == ACTIVE_WHERE.keys()
    order = list(FIELDS)
    for name, when in ACTIVE_WHERE.items():
        assert FIELDS[name].read(FILLED[name]) == FILLED[name]
        assert all(order.index(parent) < order.index(name) for parent in when.parents)


def test_inactive_fields_are_left_out() -> None:
    values = {"optimizer": "adamw", "momentum": 0.9, "schedule": "step", "schedule_step_epochs": 3}
    assert without_inactive(values) == {
        "optimizer": "adamw",
        "schedule": "step",
        "schedule_step_epochs": 3,
    }
