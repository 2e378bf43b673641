from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.errors import SpecError
from orchestrator.spec.text.overrides import lay_over, read_overrides

keys = st.sampled_from("abc")
trees = st.recursive(
    st.integers() | st.none(), lambda inner: st.dictionaries(keys, inner), max_leaves=8
)
paths = st.lists(keys, min_size=1, max_size=4).map(tuple)


def test_values_are_yaml() -> None:
    texts = ["a.b=3", "c=[1, x]", "d=", "e=null", "f=a=b", "g='3'", " h.i = {j: true}"]
    assert read_overrides(texts) == [
        (("a", "b"), 3),
        (("c",), [1, "x"]),
        (("d",), None),
        (("e",), None),
        (("f",), "a=b"),
        (("g",), "3"),
        (("h", "i"), {"j": True}),
    ]


def test_every_unreadable_text_is_named() -> None:
    with pytest.raises(SpecError) as caught:
        read_overrides(["novalue", "=3", "a..b=1", "ok=1", "x=[1"])
    assert [fault.path for fault in caught.value.faults] == [
        "--set novalue",
        "--set =3",
        "--set a..b=1",
        "--set x=[1",
    ]


def test_lists_are_entered_by_number() -> None:
    assert lay_over({"a": [1, {"b": 2}]}, ("a", "1", "b"), 3) == {"a": [1, {"b": 3}]}


def test_a_preset_by_name_becomes_a_mapping_with_it() -> None:
    settings = lay_over({"space": "demo"}, ("space", "batch_size"), [4])
    assert settings == {"space": {"preset": "demo", "batch_size": [4]}}


def _at(tree: object, path: tuple[str, ...]) -> object:
    for key in path:
        assert isinstance(tree, dict)
        tree = tree[key]
    return tree


@given(trees, paths, st.integers())
def test_the_place_holds_the_value_and_nothing_given_changes(
    tree: object, path: tuple[str, ...], value: int
) -> None:
    before = copy.deepcopy(tree)
    after = lay_over(tree, path, value)
    assert tree == before
    assert _at(after, path) == value
    assert lay_over(after, path, value) == after
