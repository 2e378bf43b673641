"""Makes a recorded benchmark of a sweep that stopped nothing.

    segsweep run benchmarks/record_trials.yaml --set data.root=ROOT
    python benchmarks/record_trials.py STORAGE --about "CamVid, ..." --out FILE.json

Takes the trials of the sweep's ledger that were trained to their end. The one that segsweep brings,
``orchestrator.forecast.simulation.recorded:camvid``, was made in this way.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from orchestrator.forecast.simulation.recorded import Recorded, Recording
from orchestrator.ledger.folders import find_sweep
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import fold

if TYPE_CHECKING:
    from orchestrator.ledger.folders import SweepFolder


def record(folder: SweepFolder, *, about: str, num_classes: int) -> Recording:
    """Return what the complete trials of the sweep in ``folder`` left behind."""
    with Ledger(folder.ledger) as ledger:
        trials = fold(event for _, event in ledger.events()).complete
    spec = yaml.safe_load(folder.spec.read_text(encoding="utf-8"))
    curves = [[metrics["miou"] for _, metrics in trial.history] for trial in trials]
    pace = [np.mean([metrics["epoch_seconds"] for _, metrics in trial.history]) for trial in trials]
    return Recording(
        about=about,
        space=spec["space"],
        num_classes=num_classes,
        configs=tuple(dict(trial.config) for trial in trials),
        miou=np.array(curves),
        epoch_seconds=np.array(pace),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("storage", type=Path, help="storage root of the sweep")
    parser.add_argument("--sweep", default=None, help="its id; the latest without one")
    parser.add_argument("--about", required=True, help="data, machine, settings")
    parser.add_argument("--num-classes", type=int, default=11)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    recording = record(
        find_sweep(given.storage, given.sweep), about=given.about, num_classes=given.num_classes
    )
    given.out.write_text(recording.to_json(), encoding="utf-8")
    made = Recorded(recording)
    print(
        f"{len(recording.configs)} trials, best mIoU {recording.miou[:, -1].max():.3f}, "
        f"luck of an epoch {made.roughness:.4f}"
    )


if __name__ == "__main__":
    main()
