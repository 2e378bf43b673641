from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from PIL import Image

from trainables.data.decode import decode_labels, decode_picture
from trainables.data.faults import DataError
from trainables.data.image_limit import BYTES_PER_PIXEL

PATH = Path("large.png")


@pytest.fixture(scope="module")
def large() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (13_400, 13_400)).save(buffer, "TIFF", compression="group4")
    return buffer.getvalue()


def test_an_image_over_pillows_limit_is_read_without_a_warning(large: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_labels(PATH, large).labels.shape == (13_400, 13_400)


def test_an_image_larger_than_memory_reports_limit_and_setting(
    large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = 13_400**2
    room = SimpleNamespace(available=pixels * BYTES_PER_PIXEL - 1)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: room)
    with pytest.raises(DataError) as caught:
        decode_picture(PATH, large)
    (fault,) = caught.value.faults
    assert fault.kind == "too large"
    assert "13400x13400 (179,560,000 pixels), over the limit of 179,559,999 pixels" in fault.what
    assert "available memory" in fault.what
    assert "data.max_image_pixels" in fault.remedy
    assert "copy it again" not in str(fault)


def test_a_given_limit_applies_with_any_memory(large: bytes) -> None:
    for decode in (decode_picture, decode_labels):
        with pytest.raises(DataError, match=r"over the limit of 1,000,000 pixels.*max_image_pixel"):
            decode(PATH, large, max_pixels=1_000_000)


def test_an_impossible_size_is_refused_by_its_header() -> None:
    header = b"IHDR" + b"\x7f\xff\xff\xff" * 2 + b"\x08\0\0\0\0"
    crc = zlib.crc32(header).to_bytes(4, "big")
    end = b"\0\0\0\0IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")
    with pytest.raises(DataError, match="2147483647x2147483647 "):
        decode_labels(PATH, b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + crc + end)
