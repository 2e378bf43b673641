from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.errors import SpecError
from orchestrator.spec.text.yaml_text import read_yaml

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def test_a_syntax_error_names_line_and_column() -> None:
    with pytest.raises(SpecError) as caught:
        read_yaml("data:\n  root: [1, 2\nbudget: 3\n", "a.yaml")
    (fault,) = caught.value.faults
    assert fault.path == "line 3, column 7"
    assert "a.yaml" in str(caught.value)


def test_a_key_given_twice_is_no_silent_loss() -> None:
    with pytest.raises(SpecError, match=r"line 3, column 1.*'data' is given twice"):
        read_yaml("data: {}\nname: a\ndata: {root: x}\n", "a.yaml")


def test_merge_keys_and_anchors_still_work() -> None:
    text = "base: &b {x: 1}\nother: &c {y: 3}\nall:\n  <<: *b\n  <<: *c\n  z: 2\n"
    assert read_yaml(text, "a")["all"]["z"] == 2  # type: ignore[index]


@pytest.mark.parametrize(
    "text",
    ["{a: [", "\x00", "a: !!python/object:os.system {}", "- a\nb: 1", "? [1]: 2\n: {}", "a: *b"],
)
def test_what_is_no_yaml_is_a_spec_error(text: str) -> None:
    with pytest.raises(SpecError, match="invalid YAML"):
        read_yaml(text, "a.yaml")


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(SpecError, match="invalid YAML"):
        read_yaml("[" * 1100, "a.yaml")


@given(values)
def test_what_yaml_writes_comes_back(value: object) -> None:
    assert read_yaml(yaml.safe_dump(value), "a") == value


@given(st.text(alphabet="{}[]:,-?&*!|>'\"%@` \n\tab1~", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SpecError):
        read_yaml(text, "a")
