"""Contradictions between a ledger's trials and their MLflow runs."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.driver.verification.ledger import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.ledger.records import RecordState, SweepRecords, TrialRecord
    from orchestrator.tracking.history import RunFacts, TrackedSweep


def run_findings(
    records: SweepRecords,
    tracked: TrackedSweep,
    *,
    statuses: Mapping[RecordState, str],
    epoch_prefix: str,
    behind: bool = False,
) -> list[Finding]:
    """Return every way in which the runs differ from the trials.

    Each trial has exactly one run, with its status, parameters, files, and each epoch once.

    Args:
        records: Trials of the ledger.
        tracked: Runs of the tracking store.
        statuses: Status of a run by the state of its trial.
        epoch_prefix: Prefix of the keys of metrics of every epoch.
        behind: Whether the store may lack the latest events; the others are compared all the same.
    """
    findings: list[Finding] = []
    if len(tracked.sweep_runs) > 1 or not (tracked.sweep_runs or behind):
        findings.append(
            _finding("sweep", f"has {len(tracked.sweep_runs)} runs of its own, not one")
        )
    counts = Counter(run.trial_id for run in tracked.runs)
    known = {trial.trial_id: trial for trial in records.trials}
    for trial_id in known.keys() | counts.keys():
        if trial_id not in known:
            findings.append(_finding(trial_id or "sweep", "has a run but is not in the ledger"))
        elif counts[trial_id] > 1 or not (counts[trial_id] or behind):
            findings.append(_finding(trial_id, f"has {counts[trial_id]} runs, not one"))
    for run in tracked.runs:
        if run.trial_id in known:
            trial = known[run.trial_id]
            messages = [*_figures(trial, run, epoch_prefix)]
            if not behind:
                messages += [
                    *_standing(trial, run, statuses),
                    *_losses(trial, run, epoch_prefix),
                    *_files(trial, run),
                ]
            findings += [_finding(run.trial_id, message) for message in messages]
    return sorted(findings, key=lambda finding: finding.subject)


def _standing(
    trial: TrialRecord, run: RunFacts, statuses: Mapping[RecordState, str]
) -> Iterator[str]:
    if run.status != statuses[trial.state]:
        yield f"is {trial.state}, its run has the status {run.status}"
    if run.state != trial.state:
        yield f"is {trial.state}, its run is marked {run.state}"
    if run.ended != trial.ended:
        yield f"is {trial.state}, its run has {'an' if run.ended else 'no'} end"
    for name, value in trial.config.items():
        if name not in run.params:
            yield f"its run lacks the parameter {name}"
        elif run.params[name] != str(value):
            yield f"its run has {name} = {run.params[name]}, the ledger {value}"


def _figures(trial: TrialRecord, run: RunFacts, epoch_prefix: str) -> Iterator[str]:
    reported = dict(trial.history)
    for key, points in run.points.items():
        if not key.startswith(epoch_prefix):
            continue
        steps = [step for step, _ in points]
        doubled = sorted(step for step, count in Counter(steps).items() if count > 1)
        if doubled:
            yield f"its run has {key} twice at step {', '.join(map(str, doubled))}"
        name = key.removeprefix(epoch_prefix)
        wanted = {epoch: metrics[name] for epoch, metrics in reported.items() if name in metrics}
        more = sorted(set(steps) - wanted.keys())
        if more:
            yield f"its run has {key} at epoch {', '.join(map(str, more))}, the ledger has not"
        for step, value in points:
            if step in wanted and not _same(value, wanted[step]):
                yield f"its run has {key} = {value} at epoch {step}, the ledger {wanted[step]}"


def _losses(trial: TrialRecord, run: RunFacts, epoch_prefix: str) -> Iterator[str]:
    for key in [key for key in run.points if key.startswith(epoch_prefix)]:
        name = key.removeprefix(epoch_prefix)
        steps = {step for step, _ in run.points[key]}
        lost = [epoch for epoch, metrics in trial.history if name in metrics and epoch not in steps]
        if lost:
            yield f"its run lacks {key} at epoch {', '.join(map(str, lost))}"
    if trial.history and not any(key.startswith(epoch_prefix) for key in run.points):
        yield f"its run has none of its {len(trial.history)} epochs"


def _files(trial: TrialRecord, run: RunFacts) -> Iterator[str]:
    missing = sorted(set(trial.artifacts) - run.artifacts)
    if trial.ended and missing:
        yield f"its run lacks the files {', '.join(missing)}"


def _same(tracked: float, recorded: float) -> bool:
    if not math.isfinite(recorded):
        return not math.isfinite(tracked)
    return math.isclose(tracked, recorded, rel_tol=1e-9, abs_tol=1e-12)


def _finding(subject: str, message: str) -> Finding:
    return Finding(place="mlflow", subject=subject, message=message)
