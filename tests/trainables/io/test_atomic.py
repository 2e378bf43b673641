from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from trainables.io.atomic import remove_drafts, replaced_folder, write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_drafts_of_killed_processes_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"whole")
    (tmp_path / ".file.x7k").write_bytes(b"half")
    (tmp_path / ".filed").write_bytes(b"another's")
    remove_drafts(path)
    assert {file.name for file in tmp_path.iterdir()} == {"file", ".filed"}


def test_a_folder_is_replaced_when_its_draft_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "a[1]"
    leftover = tmp_path / "a[1].partial-x"
    for name in (folder, leftover):
        name.mkdir()
        (name / "old").touch()
    with pytest.raises(FileExistsError), replaced_folder(folder) as draft:
        (draft.parent / folder.name).mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["a[1]", "old"]
    with replaced_folder(folder) as draft:
        (draft / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["a[1]", "new"]
    assert folder.stat().st_mode & 0o777 == 0o755
