from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import pytest

from orchestrator.cli.main import main
from orchestrator.ledger.events import (
    EpochReported,
    SweepEvent,
    TrialAsked,
    TrialEnded,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.ledger.folders import SweepFolder, new_sweep
from orchestrator.ledger.ledger import Ledger
from orchestrator.spec.parse import dump_spec, load_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


WholeTrial: TypeAlias = "Callable[[int, float, float], list[SweepEvent]]"


@pytest.fixture
def whole_trial() -> WholeTrial:
    """Return what makes the events of a trial of one epoch from its number, mIoU, latency."""
    return _whole_trial


def _whole_trial(number: int, miou: float, latency: float) -> list[SweepEvent]:
    name, begin = f"t{number:05d}", 3.0 * number
    figures = {"miou": miou, "latency_ms": latency, "flops": 1e8 * latency}
    return [
        TrialAsked(trial_id=name, number=number, config={"arch": "deeplabv3"}, seconds=begin),
        TrialStarted(trial_id=name, seconds=begin),
        TrialProfiled(trial_id=name, metrics={"latency_ms": latency}, seconds=begin + 1),
        EpochReported(trial_id=name, epoch=1, metrics={"miou": miou}, seconds=begin + 2),
        TrialEnded(trial_id=name, state="complete", metrics=figures, seconds=begin + 3),
    ]


@pytest.fixture
def finished(tmp_path: Path, whole_trial: WholeTrial) -> SweepFolder:
    """Return a sweep of two complete trials, one that failed, without a Ray to have run it."""
    spec = load_spec(overrides=["budget.trials=3", "budget.epochs=1", "teacher=null"])
    folder = new_sweep(tmp_path / "runs", "made", now=lambda: datetime(2026, 1, 31))  # noqa: DTZ001
    folder.spec.write_text(dump_spec(spec), encoding="utf-8")
    with Ledger(folder.ledger) as ledger:
        for number, (miou, latency) in enumerate(((0.4, 9.0), (0.2, 5.0))):
            for event in whole_trial(number, miou, latency):
                ledger.append(event)
        ledger.append(TrialAsked(trial_id="t00002", number=2, config={"arch": "deeplabv3"}))
        ledger.append(TrialEnded(trial_id="t00002", state="failed", reason="broke", seconds=9.0))
    return folder


@pytest.fixture
def segsweep(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Outcome]:
    """Run the command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGSWEEP_STORAGE", str(tmp_path / "runs"))

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        written = capsys.readouterr()
        code = caught.value.code
        assert isinstance(code, int)
        return Outcome(code, written.out, written.err)

    return run
