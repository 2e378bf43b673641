"""Faults injected into small sweeps that really run; the same in numbers is a benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import cluster_faults, faults

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(900)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "x").mkdir()
    return tmp_path / "x"


@pytest.mark.long
def test_a_sweep_whose_driver_and_ray_are_killed_ends_as_if_nothing_had_happened(
    folder: Path,
) -> None:
    found = faults.kills(folder, count=2, trials=3, span=40)
    assert found["findings"] == []
    assert found["exit code of the last resume"] == 0
    assert (found["trials"], found["ends"]) == (3, 3)
    assert found["leaked processes"] == []
    assert found["leaked shared memory"] == []


def test_stops_within_an_epoch_leak_no_process_and_no_memory(folder: Path) -> None:
    found = faults.stops(folder, count=6)
    assert found["ended as stopped"] == 6
    assert found["lanes that died"] == []
    assert found["same workers at the end"]
    assert found["processes more than after the first"] <= 0  # type: ignore[operator]
    assert found["placement groups more than after the first"] <= 0  # type: ignore[operator]
    assert found["placement groups left by the closed lane"] == 0
    assert found["workers left by the closed lane"] == []
    assert found["processes left at the end"] == []
    assert found["leaked shared memory"] == []


@pytest.mark.long
def test_a_cluster_that_loses_a_worker_a_node_and_its_control_store(folder: Path) -> None:
    found = faults.cluster(folder)
    assert found["findings"] == []
    assert found["exit code after the GCS was lost"] != "hangs"
    assert found["exit code of the resume on a new cluster"] == 0
    assert found["trials"] == 6


@pytest.mark.long
@pytest.mark.parametrize("train_workers", [1, 2])
def test_a_machine_that_is_taken_back_costs_a_trial_almost_nothing(
    folder: Path, train_workers: int
) -> None:
    found = cluster_faults.preemption(folder, train_workers=train_workers)
    assert found["findings"] == []
    assert found["exit code"] == 0
    assert found["the machine went"]
    assert found["steps of the epoch in that state"]
    assert found["interruptions"] == ["notice", "preemption"]
    assert found["attempts charged"] == 1
    assert found["epochs"] == 8
    seconds = found["went on from seconds"]
    assert isinstance(seconds, list)
    assert len(seconds) == 1
    assert seconds[0] > 0
    assert found["device-seconds trained twice"] < 15 * train_workers  # type: ignore[operator]


@pytest.mark.long
def test_workers_of_a_killed_driver_do_not_write_into_the_next_ones_trials(folder: Path) -> None:
    found = cluster_faults.ghosts(folder)
    assert found["findings"] == []
    assert found["exit code"] == 0
    assert found["driver that had the trial's folder"] == found["drivers"] == 3
    assert found["epochs"] == 8


@pytest.mark.long
def test_killed_actors_are_replaced_or_end_the_driver_with_one_message(folder: Path) -> None:
    found = cluster_faults.actors(folder)
    assert found["findings"] == []
    assert found["survived"] == ["LaneTrial", "TrainController"]
    assert found["exit codes of the others"] == {"TrialBroker": 2}
    assert found["tracebacks"] == 0
    assert found["exit code at the end"] == 0
    assert found["epochs"] == 8


@pytest.fixture
def tmpfs(tmp_path: Path) -> None:
    """Skip where this user may mount nothing."""
    trial = tmp_path / "trial"
    trial.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(trial)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a tmpfs")
    subprocess.run(["umount", str(trial)], check=True)


@pytest.mark.long
def test_a_full_disk_ends_a_sweep_that_resumes_with_free_space(folder: Path, tmpfs: None) -> None:
    del tmpfs
    found = faults.disk(folder)
    assert found["findings"] == []
    assert found["tracebacks"] == 0
    codes = found["exit codes"]
    assert isinstance(codes, list)
    assert codes[-1] == 0
    assert set(codes[:-1]) <= {0, 2}
    assert 2 in codes
