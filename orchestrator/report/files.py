"""Reads a sweep's report from its folder and writes the report's files."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.forecast.plan import load_plan, score_plan
from orchestrator.ledger.interruptions import interruptions_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import fold
from orchestrator.report.ablation import REFERENCES, ablate, read_reference_costs
from orchestrator.report.model import build_report
from orchestrator.report.text import to_csv, to_json
from orchestrator.spec.baselines import names_by_digest
from orchestrator.spec.parse import load_spec
from trainables.export.record import read_all_artifacts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.ledger.records import SweepRecords
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec

REFERENCE = "reference_point"
"""Fact of a ledger: reference point of the sweep's hypervolume."""
DATA_WARNINGS = "data_warnings"
"""Fact of a ledger: warnings of the data check, a line each."""
SETTLED_FROM = 8
"""Complete trials from which on an unfinished sweep fixes its reference point; fewer do not show
the range of the costs."""


def read_records(folder: SweepFolder) -> SweepRecords:
    """Return the trial records of a running or ended sweep.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with Ledger(folder.ledger) as ledger:
        return fold(event for _, event in ledger.events())


def read_report(folder: SweepFolder) -> SweepReport:
    """Return the report of a sweep so far.

    Raises:
        SpecError: the sweep's spec cannot be read.
        LedgerError: its ledger cannot be read.
    """
    return make_report(load_spec(folder.spec), folder)


def make_report(spec: SweepSpec, folder: SweepFolder) -> SweepReport:
    """Return the report of the sweep so far, with its plan scored.

    The ledger's reference point is used if it has one.
    """
    with Ledger(folder.ledger) as ledger:
        events = [event for _, event in ledger.events()]
        reference = recorded_reference(ledger.fact(REFERENCE), spec.objectives)
        costs = read_reference_costs(ledger.fact(REFERENCES))
        warnings = recorded_warnings(ledger)
    records = fold(events)
    workers = spec.resources.train_workers
    report = build_report(
        records,
        spec.objectives,
        sweep_id=folder.sweep_id,
        reference_point=reference,
        epochs=spec.budget.epochs,
        workers_per_trial=workers,
        baselines=names_by_digest(spec.baselines),
    )
    front = [row.trial_id for row in report.front]
    report = replace(
        report,
        interruptions=interruptions_of(events, workers_per_trial=workers),
        ablations=ablate(records.trials, front, costs),
        artifacts=read_all_artifacts(folder.trials),
        data_warnings=warnings,
    )
    plan = load_plan(folder.path)
    if plan is None:
        return report
    scores = score_plan(plan, records, spec.objectives, workers_per_trial=workers)
    return replace(report, plan=scores)


def recorded_warnings(ledger: Ledger) -> tuple[str, ...]:
    """Return the ledger's warnings of the data check."""
    lines = ledger.fact(DATA_WARNINGS)
    return tuple(map(str, lines)) if isinstance(lines, list) else ()


def keep_reference(report: SweepReport, ledger: Ledger, *, finished: bool) -> bool:
    """Record the report's reference point for later reports of the sweep.

    It is recorded when the sweep is finished or eight trials are complete.

    Returns:
        Whether the ledger has a reference point.
    """
    if report.completed and (finished or report.completed >= SETTLED_FROM):
        ledger.set_fact(REFERENCE, dict(report.reference_point))
    return recorded_reference(ledger.fact(REFERENCE), report.objectives) is not None


def read_reference(folder: SweepFolder, objectives: Sequence[Objective]) -> dict[str, float] | None:
    """Return the recorded reference point of a sweep; None without one or without a ledger.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if not folder.ledger.exists():
        return None
    with Ledger(folder.ledger) as ledger:
        return recorded_reference(ledger.fact(REFERENCE), objectives)


def recorded_reference(fact: object, objectives: Sequence[Objective]) -> dict[str, float] | None:
    """Return the reference point in a fact; None if it is missing or invalid."""
    if not isinstance(fact, dict) or set(fact) != {each.name for each in objectives}:
        return None
    valid = all(isinstance(value, int | float) and math.isfinite(value) for value in fact.values())
    return {name: float(value) for name, value in fact.items()} if valid else None


def save_report(report: SweepReport, folder: Path) -> tuple[Path, ...]:
    """Write the report as JSON, CSV, PNG and HTML to ``folder``; return the files."""
    from orchestrator.report.plot.html import to_html  # noqa: PLC0415 - imports plotly
    from orchestrator.report.plot.png import to_png  # noqa: PLC0415 - imports matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.json": to_json(report).encode(),
        "trials.csv": to_csv(report).encode(),
        "pareto.png": to_png(report),
        "pareto.html": to_html(report).encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return tuple(folder / name for name in contents)
