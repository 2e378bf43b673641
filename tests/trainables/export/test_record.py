from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from trainables.export.record import RECORD, Artifact, Verification, read_artifacts, record_text

if TYPE_CHECKING:
    from pathlib import Path

SEEN = Verification(images=3, agreement=0.99, miou=0.5, model_miou=0.51, largest_difference=0.1)


def artifact(folder: Path, *, verification: Verification | None = SEEN) -> Artifact:
    path = folder / "model.onnx"
    path.write_bytes(b"model")
    return Artifact(
        path=path,
        format="onnx",
        sha256=hashlib.sha256(b"model").hexdigest(),
        size_bytes=5,
        source="0" * 64,
        verification=verification,
        seconds=1.5,
    )


@pytest.mark.parametrize("verification", [SEEN, None])
def test_a_record_is_read_back(tmp_path: Path, verification: Verification | None) -> None:
    made = artifact(tmp_path, verification=verification)
    (tmp_path / RECORD).write_text(record_text([made]))
    assert read_artifacts(tmp_path) == {"onnx": made}


@pytest.mark.parametrize("text", ["", "[", "{}", '[{"path": "a"}]', '{"a": 1}', "[1]"])
def test_a_torn_record_has_no_artifacts(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    assert read_artifacts(tmp_path) == {}
    assert read_artifacts(tmp_path / "nowhere") == {}


def test_a_changed_file_is_not_intact(tmp_path: Path) -> None:
    made = artifact(tmp_path)
    assert made.is_intact()
    made.path.write_bytes(b"mode!")
    assert not made.is_intact()
    made.path.unlink()
    assert not made.is_intact()
