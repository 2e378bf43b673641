from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import (
    EpochReported,
    SweepEvent,
    TrialAsked,
    TrialEnded,
    TrialExamined,
    TrialJudged,
    TrialProfiled,
    TrialStarted,
    decode,
    encode,
)
from orchestrator.ledger.ledger import Ledger, LedgerError, SweepClock

if TYPE_CHECKING:
    from pathlib import Path


names = st.text(st.characters(codec="utf-8"), max_size=12)
metrics = st.dictionaries(names, st.floats(allow_nan=False), max_size=3)
values = st.one_of(names, st.integers(-(2**40), 2**40), st.booleans(), st.floats(-1e9, 1e9))
configs = st.dictionaries(names, values, max_size=3)
seconds = st.floats(0, 1e7)
events: st.SearchStrategy[SweepEvent] = st.one_of(
    st.builds(
        TrialAsked,
        trial_id=names,
        number=st.integers(0, 10**6),
        config=configs,
        known=metrics,
        seconds=seconds,
    ),
    st.builds(TrialStarted, trial_id=names, attempt=st.integers(1, 9), seconds=seconds),
    st.builds(TrialProfiled, trial_id=names, metrics=metrics, details=configs, seconds=seconds),
    st.builds(
        EpochReported, trial_id=names, epoch=st.integers(1, 99), metrics=metrics, seconds=seconds
    ),
    st.builds(
        TrialJudged,
        trial_id=names,
        action=st.sampled_from(["continue", "stop", "pause"]),
        rung=st.integers(1, 9),
        rank=st.integers(1, 9),
        of=st.integers(1, 9),
        reason=names,
        seconds=seconds,
    ),
    st.builds(
        TrialExamined,
        trial_id=names,
        kind=st.just("test"),
        metrics=metrics,
        reason=names,
        seconds=seconds,
    ),
    st.builds(
        TrialEnded,
        trial_id=names,
        state=st.sampled_from(["complete", "stopped", "infeasible", "preempted", "failed"]),
        reason=names,
        metrics=metrics,
        artifacts=st.lists(names, max_size=2).map(tuple),
        seconds=seconds,
    ),
)


@given(events)
def test_an_event_survives_the_round_trip_through_text(event: SweepEvent) -> None:
    assert decode(*encode(event)) == event


def test_nan_survives_as_nan() -> None:
    event = EpochReported(trial_id="t", epoch=1, metrics={"miou": float("nan")})
    back = decode(*encode(event))
    assert isinstance(back, EpochReported)
    assert back.metrics["miou"] != back.metrics["miou"]


@pytest.mark.parametrize(("kind", "text"), [("boom", "{}"), ("started", "{}")])
def test_what_is_no_event_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match="ledger event"):
        decode(kind, text)


def test_events_come_back_in_order_from_where_one_asks(tmp_path: Path) -> None:
    written = [TrialStarted(trial_id=f"t{i}", attempt=1) for i in range(2500)]
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert [ledger.append(event) for event in written[:3]] == [1, 2, 3]
        for event in written[3:20]:
            ledger.append(event)
        assert [event for _, event in ledger.events(after=5)] == written[5:20]


def test_facts_are_replaced(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert ledger.fact("cursor") is None
        ledger.set_fact("cursor", 3)
        ledger.set_fact("cursor", {"at": 4})
        assert ledger.fact("cursor") == {"at": 4}


def test_what_was_appended_outlives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    program = (
        "import os, sys; from pathlib import Path\n"
        "from orchestrator.ledger.ledger import Ledger\n"
        "from orchestrator.ledger.events import TrialStarted\n"
        "ledger = Ledger(Path(sys.argv[1]))\n"
        "for i in range(5): ledger.append(TrialStarted(trial_id=f't{i}'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert ended.returncode == -9
    with Ledger(path) as ledger:
        assert [event.trial_id for _, event in ledger.events()] == [f"t{i}" for i in range(5)]


def test_a_file_that_is_no_ledger_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is not a database, but it is long enough to be read as one" * 20)
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        Ledger(path)


def test_a_ledger_on_a_full_disk_says_so(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger._connection.execute("PRAGMA max_page_count = 3")  # SQLite's own "disk is full"
        with pytest.raises(LedgerError, match="cannot write"):
            _fill(ledger)


def _fill(ledger: Ledger) -> None:
    for _ in range(1000):
        ledger.append(TrialStarted(trial_id="t" * 100))


TIMES = st.floats(-1e9, 2e9)


@given(wall=st.lists(TIMES, min_size=2, max_size=6), begun=st.floats(0, 2e9))
def test_no_setting_of_the_machines_clock_turns_it(wall: list[float], begun: float) -> None:
    last = 0.0
    for now in wall:
        ticks = iter([10.0, 10.5, 12.0, 12.0])
        clock = SweepClock(begun, at_least=last, wall=[now].pop, monotonic=ticks.__next__)
        readings = [clock() for _ in range(3)]
        assert readings == sorted(readings)
        assert readings[0] >= last
        last = readings[-1]


def test_it_shows_the_time_since_the_sweep_began() -> None:
    passed = iter([50.0, 53.5])
    clock = SweepClock(1000.0, wall=lambda: 1007.0, monotonic=lambda: next(passed))
    assert clock() == 10.5
