from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from search_spaces.resolution import Resolution
from trainables.data.transforms import RandomTransform
from trainables.session.failure import TRACEBACK, describe_error, write_traceback

if TYPE_CHECKING:
    from pathlib import Path


def raised(strength: float) -> Exception:
    with pytest.raises(ValueError, match="strength") as caught:
        RandomTransform.of(strength, Resolution(8, 8))
    return caught.value


def test_an_error_is_described_with_its_place_in_one_line() -> None:
    text = describe_error(raised(2.0))
    assert text.startswith("ValueError: augmentation strength must be in [0, 1], got 2.0 (at ")
    assert "transforms.py:" in text


def test_lines_become_one() -> None:
    assert describe_error(KeyError("a\n  b")) == "KeyError: 'a\\n b'"
    assert describe_error(ValueError("a\n  b")) == "ValueError: a b"
    assert describe_error(ValueError()) == "ValueError: no message"


def test_the_traceback_is_written_where_it_can_be(tmp_path: Path) -> None:
    error = raised(-1.0)
    assert write_traceback(tmp_path / "trial", error)
    assert "__post_init__" in (tmp_path / "trial" / TRACEBACK).read_text()
    (tmp_path / "file").touch()
    assert not write_traceback(tmp_path / "file", error)
