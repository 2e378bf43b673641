"""Costs that the compression of a front is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.driver.exporting.workers import run_jobs
from orchestrator.report.ablation import REFERENCES, kept_references, needed_references
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
    """Keep in ``ledger`` what the front's models cost before their compression; return problems.

    One is measured after the other, with nothing beside it. What is known is not measured again.
    """
    known = kept_references(ledger.fact(REFERENCES))
    wanted = needed_references(row.config for row in report.front)
    needed = [item for item in wanted.items() if item[0] not in known]
    jobs = [
        CostJob(
            config=config,
            num_classes=num_classes,
            target=spec.target,
            cache_dir=str(spec.storage.cache_dir),
            channels_last=spec.training.channels_last,
        )
        for _, config in needed
    ]
    if not jobs:
        return ()
    hooks.stage(f"measuring {len(jobs)} model(s) before their compression")
    done = run_jobs(jobs, processes=1, stop_requested=hooks.stop_requested)
    found = {needed[place][0]: each.figures for place, each in done.items() if not each.error}
    ledger.set_fact(REFERENCES, {**known, **found})
    return tuple(
        f"the cost before compression is not known: {each.error}"
        for each in done.values()
        if each.error
    )
