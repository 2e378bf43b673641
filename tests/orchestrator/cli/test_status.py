from __future__ import annotations

from orchestrator.cli.status import time_left


def test_the_time_left_is_the_last_one_that_the_sweep_printed() -> None:
    log = """warming 2 lanes
t0 complete: mIoU 0.2 | 1/9 trials, 42 s, about 1 h 02 min left
t1 complete: mIoU 0.3 | 2/9 trials, 50 s, about 3 min 05 s left unless the front grows
t2 started: deeplabv3
"""
    assert time_left(log) == "about 3 min 05 s"
    assert time_left("t2 started: deeplabv3\n") is None
    assert time_left("") is None
