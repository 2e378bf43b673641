from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from trainables.config import DataConfig, DataFormat
from trainables.data.faults import DataError
from trainables.data.layouts.registry import class_names_of, open_layout


@pytest.mark.parametrize(
    ("layout", "classes"), [("synthetic", 10), ("cityscapes", 19), ("voc", 21), ("ade20k", 150)]
)
def test_class_names_need_no_disk(layout: DataFormat, classes: int) -> None:
    config = DataConfig(format=layout)
    assert len(class_names_of(config)) == classes
    assert len(set(class_names_of(config))) == classes


def test_a_folder_has_the_given_classes() -> None:
    config = DataConfig(format="folder", class_names=("void", "a", "b"), ignore_index=0)
    assert class_names_of(config) == ("a", "b")
    with pytest.raises(DataError, match=r"data\.class_names: is not set"):
        class_names_of(replace(config, class_names=None))


def test_class_names_equal_those_of_the_opened_layout(folder_config: DataConfig) -> None:
    assert open_layout(folder_config).class_names == class_names_of(folder_config)


def test_faults_of_settings_come_before_those_of_folders() -> None:
    config = DataConfig(format="voc", root="nowhere", max_train_images=0)
    for ask in (open_layout, class_names_of):
        with pytest.raises(DataError, match=r"data\.max_train_images: is 0"):
            ask(config)


@pytest.mark.parametrize("layout", ["folder", "cityscapes", "voc", "ade20k"])
def test_a_layout_on_disk_needs_a_root(layout: DataFormat) -> None:
    with pytest.raises(DataError, match=r"data\.root: is not set"):
        open_layout(DataConfig(format=layout, class_names=None))


def test_reading_class_names_imports_no_torch() -> None:
    root = Path(__file__).parents[4]
    program = (
        "import sys; from trainables.config import DataConfig; "
        "from trainables.data.layouts.registry import class_names_of; "
        "import trainables.data.checks.check; class_names_of(DataConfig()); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root)
