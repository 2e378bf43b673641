from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.tracking.runs.cursor import Cursor, load_cursor, save_cursor

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_cursor(tmp_path / "c.json", Cursor(seq=3, run_id="r"))
    save_cursor(tmp_path / "c.json", Cursor(seq=5, run_id="r"))
    assert load_cursor(tmp_path / "c.json") == Cursor(seq=5, run_id="r")
    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seq": "x", "run_id": ""}', '{"seq": 1}'])
def test_a_broken_file_means_the_beginning(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    assert load_cursor(tmp_path / "c.json") == Cursor()


def test_no_file_means_the_beginning(tmp_path: Path) -> None:
    assert load_cursor(tmp_path / "c.json") == Cursor()
