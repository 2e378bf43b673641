from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.driver.request import build_request
from orchestrator.ledger.folders import SweepFolder
from orchestrator.ledger.warm_start import WarmStartError
from orchestrator.spec.parse import load_spec
from orchestrator.sweep.hooks import RunHooks
from trainables.data.faults import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.spec.sweep_spec import SweepSpec


def small_spec(root: Path, *settings: str) -> SweepSpec:
    return load_spec(
        overrides=[
            f"storage.root={root}",
            "data.synthetic_train_images=4",
            "data.synthetic_val_images=2",
            "data.max_val_images=1",
            "space.resolution=64x96",
            "training.weights=none",
            "teacher=null",
            *settings,
        ]
    )


def test_a_request_holds_the_checked_data_and_writes_only_the_cache(tmp_path: Path) -> None:
    stages: list[str] = []
    warnings: list[str] = []
    spec = small_spec(tmp_path)
    request = build_request(spec, RunHooks(stage=stages.append, warn=warnings.append), None)
    assert request.folder is None
    assert request.num_classes == len(request.data.class_names) >= 2
    assert list(request.data_warnings) == warnings
    assert any("it cannot be scored" in line for line in warnings)
    assert request.pinned_spec == request.spec  # only addresses of object stores are pinned
    assert stages == ["checking the data", "decoding the images at 64x96"]
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


def test_a_data_set_that_is_missing_is_reported_before_a_folder_is_made(tmp_path: Path) -> None:
    spec = small_spec(tmp_path, "data.format=voc", f"data.root={tmp_path / 'nowhere'}")
    with pytest.raises(DataError, match="nowhere"):
        build_request(spec, RunHooks(), None)
    assert not (tmp_path / "sweeps").exists()


def test_only_a_new_sweep_needs_the_sweeps_of_its_warm_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise WarmStartError("there is no sweep night")

    monkeypatch.setattr("orchestrator.driver.request.check_warm_start", refuse)
    spec = small_spec(tmp_path, "search.warm_start=[night]")
    with pytest.raises(WarmStartError, match="no sweep night"):
        build_request(spec, RunHooks(), None)
    folder = SweepFolder(tmp_path, "begun")
    folder.path.mkdir(parents=True)
    folder.spec.write_text("name: begun\n")
    assert build_request(spec, RunHooks(), folder).folder == folder
