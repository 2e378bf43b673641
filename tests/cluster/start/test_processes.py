from __future__ import annotations

import subprocess
import sys

import psutil

from cluster.start.processes import end_session, killed_afterwards, process_trees

SLEEP = "import time; time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).wait()"


def sleeper(*words: str) -> psutil.Process:
    return psutil.Process(subprocess.Popen([sys.executable, "-c", SLEEP, *words]).pid)


def test_a_tree_has_the_descendants_and_skips_dead_processes() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    parent = subprocess.Popen([sys.executable, "-c", PARENT])
    try:
        while not psutil.Process(parent.pid).children():
            pass
        (child,) = psutil.Process(parent.pid).children()
        tree = {process.pid for process in process_trees([parent.pid, ended.pid])}
        assert tree == {parent.pid, child.pid}
    finally:
        with killed_afterwards(lambda: [parent.pid], timeout_s=0):
            pass
    assert not child.is_running()


def test_processes_that_the_block_leaves_alive_are_killed() -> None:
    process = sleeper()
    with killed_afterwards(lambda: [process.pid], timeout_s=0):
        assert process.is_running()
    assert not process.is_running()


def test_the_end_of_a_session_kills_its_children_only() -> None:
    ours, other = sleeper("session_1"), sleeper("session_2")
    try:
        end_session("session_1")
        assert not ours.is_running()
        assert other.is_running()
    finally:
        other.kill()
        other.wait()
