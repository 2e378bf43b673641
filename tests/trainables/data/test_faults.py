import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.data.faults import DataError, Fault, missing_folder, printable


def fault(path: str = "a.png") -> Fault:
    return Fault(kind="unreadable image", path=path, what="is empty", remedy="copy it again")


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_printable_text_is_printable_and_leaves_printable_text_alone(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("raw", "shown"), [("a\nb", "a\\nb"), ("\x1b[31m", "\\x1b[31m"), ("\udcff", "\\udcff")]
)
def test_control_characters_and_broken_bytes_are_escaped(raw: str, shown: str) -> None:
    assert str(fault(raw)).startswith(f"{shown}: is empty; ")


def test_a_data_error_survives_pickling_with_its_faults() -> None:
    error = DataError([fault("a.png"), fault("b.png")])
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert copy.faults == error.faults
    assert str(copy) == str(error)
    assert len(str(error).splitlines()) == 2


def test_a_file_in_place_of_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("")
    assert "is a file" in missing_folder(tmp_path / "images", "remove it").what
    assert "no such folder" in missing_folder(tmp_path / "masks", "make it").what
