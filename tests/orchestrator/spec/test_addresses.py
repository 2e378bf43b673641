from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.spec.parse import dump_spec, load_spec, settle_spec
from orchestrator.spec.text import SpecError

if TYPE_CHECKING:
    from pathlib import Path


def test_addresses_stay_as_they_are(tmp_path: Path) -> None:
    spec = load_spec(
        overrides=[
            f"storage.root={tmp_path}",
            "storage.mirror=s3://bucket/sweeps?region=eu-west-1",
            "data.format=cityscapes",
            "data.root=gs://bucket/cityscapes",
        ]
    )
    assert spec.storage.mirror == "s3://bucket/sweeps?region=eu-west-1"
    assert spec.data.root == "gs://bucket/cityscapes"
    assert settle_spec(spec) == spec
    path = tmp_path / "spec.yaml"
    path.write_text(dump_spec(spec))
    assert load_spec(path) == spec


def test_every_fault_of_an_address_is_named_at_once() -> None:
    with pytest.raises(SpecError) as error:
        load_spec(
            overrides=[
                "storage.root=s3://bucket/runs",
                "storage.cache=s3://bucket/cache",
                "storage.mirror=s3://key:hush@bucket/runs",
                "data.format=voc",
                "data.root=ftp://host/voc",
            ]
        )
    said = {fault.path: fault.message for fault in error.value.faults}
    assert set(said) == {"storage.root", "storage.cache", "storage.mirror", "data.root"}
    assert "set a folder here and the address as storage.mirror" in said["storage.root"]
    assert "password or a token" in said["storage.mirror"]
    assert "must begin with one of s3://" in said["data.root"]
    assert "hush" not in "".join(said.values())


def test_generated_scenes_go_into_a_folder() -> None:
    with pytest.raises(SpecError, match="need a local folder"):
        load_spec(overrides=["data.format=synthetic", "data.root=s3://bucket/scenes"])
