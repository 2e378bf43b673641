"""Measures what the models of a front cost without compression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.driver.exporting.workers import run_jobs
from orchestrator.report.ablation import (
    REFERENCES,
    needed_references,
    read_reference_costs,
)
from trainables.export.jobs import CostJob

if TYPE_CHECKING:
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunHooks


def measure_references(
    spec: SweepSpec,
    report: SweepReport,
    ledger: Ledger,
    num_classes: int,
    hooks: RunHooks,
) -> tuple[str, ...]:
    """Write the costs of the front's models before compression to ``ledger``; return the errors.

    Models are measured one at a time, so that they do not disturb each other. Costs that the ledger
    holds are not measured again.
    """
    known = read_reference_costs(ledger.fact(REFERENCES))
    wanted = needed_references(row.config for row in report.front)
    missing = {digest: config for digest, config in wanted.items() if digest not in known}
    jobs = [
        CostJob(
            config=config,
            num_classes=num_classes,
            target=spec.target,
            cache_dir=str(spec.storage.cache_dir),
            channels_last=spec.training.channels_last,
        )
        for config in missing.values()
    ]
    if not jobs:
        return ()
    hooks.stage(f"measuring {len(jobs)} model(s) before their compression")
    results = run_jobs(jobs, processes=1, stop_requested=hooks.stop_requested)
    digests = list(missing)
    measured = {digests[i]: result.figures for i, result in results.items() if not result.error}
    ledger.set_fact(REFERENCES, {**known, **measured})
    return tuple(
        f"the cost before compression was not measured: {result.error}"
        for result in results.values()
        if result.error
    )
