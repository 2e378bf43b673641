from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.config import DataConfig
from trainables.data.faults import DataError
from trainables.data.layouts.base import (
    SamplePaths,
    config_faults,
    find_split,
    renamed,
    require_root,
    split_candidates,
    take,
)
from trainables.data.layouts.listing import is_image, list_files


@pytest.mark.parametrize("name", ["val", "validation", "valid"])
def test_any_synonym_of_a_split_finds_it(name: str) -> None:
    assert find_split(name, ("training", "validation"), "val_split") == "validation"


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_the_name_given_is_tried_first(name: str) -> None:
    assert split_candidates(name)[0] == name


def test_an_unknown_split_is_refused_with_those_allowed() -> None:
    with pytest.raises(DataError, match=r"data\.val_split: .*'dev'.*give one of train, val"):
        find_split("dev", ("train", "val"), "val_split")


def test_images_are_listed_sorted_at_any_depth_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/c.png", ".hidden.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    images = [path for path in list_files(tmp_path).files if is_image(path)]
    assert images == [tmp_path / "a" / "c.png", tmp_path / "b.JPG"]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text("abc"), unique=True), st.integers(1, 5))
def test_take_keeps_the_first_in_sorted_order(names: list[str], limit: int) -> None:
    samples = [SamplePaths(Path(name), Path(name)) for name in names]
    assert take(samples, limit) == tuple(sorted(samples))[:limit]
    assert take(samples, None) == tuple(sorted(samples))


def test_a_home_folder_is_expanded() -> None:
    assert require_root(DataConfig(root="~/x")) == str(Path.home() / "x")
    with pytest.raises(DataError, match=r"data\.root: is not set"):
        require_root(DataConfig(format="voc"))


def test_renamed_classes_must_have_the_same_number() -> None:
    assert renamed(DataConfig(class_names=("a", "b")), ("x", "y")) == ("a", "b")
    assert renamed(DataConfig(), ("x", "y")) == ("x", "y")
    with pytest.raises(DataError, match="gives 2 names, and format 'synthetic' has 3 classes"):
        renamed(DataConfig(class_names=("a", "b")), ("x", "y", "z"))


def test_all_faults_of_the_settings_are_found_together() -> None:
    config = DataConfig(
        max_train_images=0, max_val_images=-1, class_names=("a", "a"), ignore_index=256
    )
    assert [fault.path for fault in config_faults(config)] == [
        "data.max_train_images",
        "data.max_val_images",
        "data.class_names",
        "data.ignore_index",
    ]
    assert config_faults(DataConfig()) == []
