from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from trainables.io.atomic import remove_drafts, write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"whole")
    (tmp_path / ".file.x7k").write_bytes(b"half")
    (tmp_path / ".filed").write_bytes(b"another's")
    remove_drafts(path)
    assert {each.name for each in tmp_path.iterdir()} == {"file", ".filed"}
