from __future__ import annotations

import pytest

from orchestrator.registry.versions import (
    REPLACED,
    ModelNameError,
    ModelRef,
    ModelVersion,
    UnknownModelError,
    check_name,
    rollback_target,
)


def version(number: int, replaced: str | None = None) -> ModelVersion:
    tags = {} if replaced is None else {REPLACED: replaced}
    return ModelVersion(name="street", version=number, tags=tags)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("street", ModelRef("street", "champion")),
        ("street@previous", ModelRef("street", "previous")),
        ("street/3", ModelRef("street", None, 3)),
        ("models:/street@champion", ModelRef("street", "champion")),
        ("my model/12", ModelRef("my model", None, 12)),
    ],
)
def test_a_reference_is_read_and_written(text: str, expected: ModelRef) -> None:
    assert ModelRef.parse(text) == expected
    assert ModelRef.parse(str(expected)) == expected


@pytest.mark.parametrize("text", ["", "@champion", "a/b", "a@b/3", "a:b", "runs:/x/y"])
def test_an_invalid_reference_raises_with_the_valid_forms(text: str) -> None:
    with pytest.raises(UnknownModelError, match="NAME@champion"):
        ModelRef.parse(text)


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a@b", " a", "a'b", "x" * 101])
def test_a_name_that_a_reference_could_not_hold_is_refused(name: str) -> None:
    with pytest.raises(ModelNameError, match="cannot name a model"):
        check_name(name)
    assert check_name("street-2.1_b") == "street-2.1_b"


def test_a_rollback_goes_to_previous_else_to_what_was_replaced() -> None:
    assert rollback_target(version(3, "2"), version(2)) == 2
    assert rollback_target(version(3, "2"), version(3)) == 2
    assert rollback_target(version(3, "2"), None) == 2
    assert rollback_target(version(3), None) is None
    assert rollback_target(version(3), version(3)) is None
    assert rollback_target(version(3, "3"), None) is None
