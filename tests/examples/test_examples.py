from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from orchestrator.spec.parse import dump_spec, load_spec, settle_spec
from orchestrator.spec.text import SpecError

EXAMPLES = Path(__file__).parents[2] / "examples"
SPECS = sorted(EXAMPLES.glob("*.yaml"))


def test_there_is_one_for_every_layout_on_disk() -> None:
    layouts = {load_spec(path, overrides=["data.root=/data"]).data.format for path in SPECS}
    assert layouts == {"folder", "cityscapes", "voc", "ade20k"}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_it_runs_with_a_root_and_says_so_without(path: Path, tmp_path: Path) -> None:
    spec = load_spec(path, overrides=["data.root=/data"])
    assert spec.name == path.stem
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert [fault.path for fault in caught.value.faults] == ["data.root"]
    (tmp_path / "again.yaml").write_text(dump_spec(spec), encoding="utf-8")
    assert load_spec(tmp_path / "again.yaml") == spec


def test_the_python_example_is_a_spec_that_runs() -> None:
    path = EXAMPLES / "python_api.py"
    found = importlib.util.spec_from_file_location("python_api", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    spec = module.small_sweep()
    assert settle_spec(spec).space == spec.space
