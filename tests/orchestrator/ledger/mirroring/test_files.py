from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.folders import SweepFolder
from orchestrator.ledger.mirroring.files import RECORD, Record, mirrored_files

if TYPE_CHECKING:
    from pathlib import Path


def test_local_files_drafts_claims_and_the_ledger_are_not_mirrored(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "night-1")
    for name in (
        "spec.yaml",
        "trials/t0/last.pt",
        "trials/t0/.last.pt.draft",
        "trials/t0/claim.json",
        "ledger.db",
        "ledger.db-wal",
        "driver.lock",
        "ray/lane0/state",
    ):
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_text("content")
    files = mirrored_files(folder)
    assert sorted(files) == ["spec.yaml", "trials/t0/last.pt"]
    assert files["spec.yaml"] == (7, folder.spec.stat().st_mtime_ns)


def test_a_record_is_loaded_as_saved(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "night-1")
    folder.path.mkdir(parents=True)
    record = Record(address="s3://a", driver="d", files={"x/y": (1, 2)})
    assert Record.load(folder) is None
    record.save(folder)
    assert Record.load(folder) == record


@pytest.mark.parametrize(
    "text", ["", "[]", '{"address": "a"}', '{"address": "a", "driver": "d", "files": {"x": [1]}}']
)
def test_an_unreadable_record_counts_as_none(tmp_path: Path, text: str) -> None:
    folder = SweepFolder(tmp_path, "night-1")
    folder.path.mkdir(parents=True)
    (folder.path / RECORD).write_text(text)
    assert Record.load(folder) is None
