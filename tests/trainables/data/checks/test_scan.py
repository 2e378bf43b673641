from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.data.checks.scan import scan_sample
from trainables.data.digest import file_digest
from trainables.data.layouts.registry import open_layout

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.config import DataConfig


def test_a_valid_sample_is_measured(folder_config: DataConfig) -> None:
    layout = open_layout(folder_config)
    sample = layout.train[0]
    scan = scan_sample(sample, root=layout.root.resolve(), labels=layout.labels)
    assert scan.size == (12, 16)
    assert scan.label_pixels == {0: 64, 1: 64, 2: 64}
    assert scan.digests == (file_digest(sample.image), file_digest(sample.mask))
    assert scan.faults == ()


def test_both_files_faults_are_found(folder_config: DataConfig, tmp_path: Path) -> None:
    layout = open_layout(folder_config)
    sample = layout.train[0]
    sample.image.unlink()
    sample.mask.write_bytes(b"\x89PNG\r\n\x1a\n")
    scan = scan_sample(sample, root=tmp_path.resolve(), labels=layout.labels)
    assert [fault.kind for fault in scan.faults] == ["missing file", "unreadable mask"]
    assert scan.size is None
    assert scan.label_pixels == {}
    assert scan.digests.image == "missing"
    assert scan.digests.mask == file_digest(sample.mask)
