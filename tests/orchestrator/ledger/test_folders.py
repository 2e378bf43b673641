from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.folders import SweepBusyError, SweepFolder

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from orchestrator.ledger.folders import SweepFolder
lock = SweepFolder(Path(sys.argv[1]), "one").lock()
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_driver_is_refused_until_the_first_one_is_killed(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "one")
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        assert folder.is_driven()
        with pytest.raises(SweepBusyError, match=f"process {first.pid} on "):
            folder.lock()
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert not folder.is_driven()
    folder.lock().release()


def test_looking_for_a_driver_leaves_no_trace_of_one(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "one")
    assert not folder.is_driven()
    with folder.lock():
        assert folder.is_driven()
    assert not folder.is_driven()
