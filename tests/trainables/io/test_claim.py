from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trainables.io.atomic import move, remove, remove_drafts, write_atomically
from trainables.io.claim import (
    CLAIM,
    Claim,
    ClaimLostError,
    changing,
    latest_driver,
    writing_under,
)
from trainables.session.blame import blame
from trainables.session.failure import TRACEBACK, write_traceback
from trainables.training.state import remove_last, save_last

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys
from pathlib import Path
from trainables.io.claim import Claim
with Claim(Path(sys.argv[1]), (1, 1)).held():
    print("holds", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "t00000"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_elsewhere_and_without_a_claim_are_written_as_ever(
    folder: Path, tmp_path: Path
) -> None:
    write_atomically(folder / "a", b"1")
    claim = Claim(folder, (1, 1))
    with writing_under(claim), changing(tmp_path / "elsewhere"):
        write_atomically(tmp_path / "elsewhere", b"1")
    assert not (folder / CLAIM).exists()


CHANGES: dict[str, Callable[[Path], object]] = {
    "write": lambda folder: write_atomically(folder / "file", b"late"),
    "write below": lambda folder: write_atomically(folder / "pictures" / "file", b"late"),
    "move": lambda folder: move(folder / "file", folder / "moved"),
    "remove": lambda folder: remove(folder / "file"),
    "remove drafts": lambda folder: remove_drafts(folder / "file"),
    "save a state": lambda folder: save_last(folder, {"late": 1}),
    "remove the states": remove_last,
}


@pytest.mark.parametrize("change", CHANGES)
def test_whoever_was_shut_out_changes_nothing(folder: Path, change: str) -> None:
    early, late = Claim(folder, (1, 7)), Claim(folder, (2, 1))
    early.take()
    with writing_under(early):
        write_atomically(folder / "file", b"early")
        write_atomically(folder / ".file.draft", b"")
    late.take()
    with writing_under(late):
        save_last(folder, {"late": 0})
    before = contents(folder)
    with writing_under(early), pytest.raises(ClaimLostError, match="fencing token"):
        CHANGES[change](folder)
    assert contents(folder) == before
    with writing_under(late):
        CHANGES[change](folder)
    assert contents(folder) != before


def test_a_process_that_lost_its_claim_writes_no_traceback(folder: Path) -> None:
    early = Claim(folder, (1, 1))
    early.take()
    Claim(folder, (1, 2)).take()
    with writing_under(early):
        assert not write_traceback(folder, ValueError("x"))
    assert not (folder / TRACEBACK).exists()


def test_an_earlier_token_does_not_claim_the_folder_again(folder: Path) -> None:
    Claim(folder, (2, 1)).take()
    for earlier in ((1, 9), (1, 1)):
        with pytest.raises(ClaimLostError):
            Claim(folder, earlier).take()
    with Claim(folder, (2, 1)).held():
        pass
    Claim(folder, (2, 2)).take()


@pytest.mark.parametrize("text", ["", "{", '{"driver": 1}', '{"driver": null, "turn": 1}', "[1]"])
def test_half_a_claim_is_nobodys(folder: Path, text: str) -> None:
    claim = Claim(folder, (1, 1))
    claim.take()
    (folder / CLAIM).write_text(text)
    with pytest.raises(ClaimLostError), claim.held():
        pass
    Claim(folder, (2, 1)).take()
    with Claim(folder, (2, 1)).held():
        pass


def test_a_folder_that_is_gone_is_nobodys(folder: Path) -> None:
    claim = Claim(folder, (1, 1))
    claim.take()
    (folder / CLAIM).unlink()
    with writing_under(claim), pytest.raises(ClaimLostError):
        write_atomically(folder / "file", b"")


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that stands still in the middle of a change."""
    Claim(folder, (1, 1)).take()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"holds\n"
        yield process
        process.kill()


def test_a_change_in_progress_completes_before_the_next_claim(
    folder: Path, holder: subprocess.Popen[bytes]
) -> None:
    taking = threading.Thread(target=Claim(folder, (2, 1)).take)
    taking.start()
    time.sleep(0.3)
    assert taking.is_alive()
    assert holder.stdin is not None
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    taking.join(10)
    assert not taking.is_alive()


def test_a_writer_that_stands_still_for_good_is_not_waited_for(
    folder: Path, holder: subprocess.Popen[bytes]
) -> None:
    Claim(folder, (2, 1)).take(patience_s=0.2)
    holder.kill()
    with Claim(folder, (2, 1)).held():
        pass
    with pytest.raises(ClaimLostError), Claim(folder, (1, 1)).held():
        pass


def test_a_lost_claim_is_no_fault_of_the_trial() -> None:
    error = pickle.loads(pickle.dumps(ClaimLostError("gone")))  # noqa: S301 - our own
    assert isinstance(error, ClaimLostError)
    assert blame(error) == "infrastructure"


def test_the_latest_driver_is_known_from_the_folders(tmp_path: Path) -> None:
    assert latest_driver(tmp_path / "absent") == 0
    for number, driver in enumerate((2, 5, 3)):
        Claim(tmp_path / f"t{number}", (driver, 9)).take()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / CLAIM).write_text("{")
    assert latest_driver(tmp_path) == 5
