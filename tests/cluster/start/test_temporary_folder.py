from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import ClusterError
from cluster.start import temporary_folder
from cluster.start.temporary_folder import LONGEST, folder_fault, ray_folder


def test_the_longest_folder_leaves_room_for_rays_longest_socket() -> None:
    from ray._private.utils import validate_socket_filepath

    session = "session_2026-01-31_12-00-00_000000_4194304"
    path = "/" + "x" * (LONGEST - 1) + f"/ray/{session}/sockets/plasma_store"
    validate_socket_filepath(path)
    with pytest.raises(OSError, match="AF_UNIX path length"):
        validate_socket_filepath(path + "y")


def test_a_path_is_refused_from_the_first_byte_too_many() -> None:
    fits, exceeds = (Path(f"/proc/{'x' * (length - 6)}") for length in (LONGEST, LONGEST + 1))
    assert folder_fault(exceeds) == (
        f"has a path of {LONGEST + 1} bytes, and Ray's Unix sockets below it allow at most "
        f"{LONGEST}"
    )
    assert str(folder_fault(fits)).startswith("cannot be used")


@given(st.text(alphabet="äß日🙂", min_size=20, max_size=40))
def test_the_length_counts_bytes(name: str) -> None:
    assert "has a path of" in (folder_fault(Path("/") / name) or "")


def test_a_named_folder_is_never_replaced(tmp_path: Path) -> None:
    place = tmp_path / ("deep" * 30)
    with pytest.raises(ClusterError, match=r"has a path of \d+ bytes.*set RAY_TMPDIR to"):
        ray_folder({"RAY_TMPDIR": str(place), "TMPDIR": str(tmp_path)})
    assert not place.exists()


def test_a_tmpdir_that_is_too_long_is_replaced_by_tmp(tmp_path: Path) -> None:
    usual = ray_folder({})
    assert usual.name == "ray"
    assert ray_folder({"TMPDIR": str(tmp_path / ("deep" * 30))}) == usual
    assert ray_folder({"RAY_TMPDIR": "", "TMPDIR": ""}) == usual


def test_a_file_in_the_place_of_the_folder_is_named() -> None:
    with pytest.raises(ClusterError, match=r"/dev/null cannot be used \(Not a directory\)"):
        ray_folder({"RAY_TMPDIR": "/dev/null"})


def test_a_file_system_that_takes_no_folders_is_named() -> None:
    with pytest.raises(ClusterError, match=r"/proc cannot be used"):
        ray_folder({"RAY_TMPDIR": "/proc"})


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary_folder, "_LEAST_FREE", 2**62)
    monkeypatch.setattr(temporary_folder, "LONGEST", 1000)
    with pytest.raises(ClusterError, match=r"MiB of free space"):
        ray_folder({"RAY_TMPDIR": str(tmp_path)})
