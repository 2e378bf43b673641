"""Runs the search and the final checks of a sweep on Ray."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from cluster.start.cluster_state import survey
from cluster.start.connection import connected
from orchestrator.driver.final_checks import FinalChecks
from orchestrator.lanes.pool import LanePool
from orchestrator.lanes.sizing import Elastic, LaneSizing
from orchestrator.lanes.teacher import prepare_teacher
from orchestrator.lanes.tune_session import TuneSession
from orchestrator.ledger.events import TrialEnded
from orchestrator.ledger.ledger import Ledger, sweep_clock
from orchestrator.ledger.warm_start import recorded_warm_start
from orchestrator.search.cost_model import StaticCostModel
from orchestrator.spec.networks import scored_alike
from orchestrator.sweep.hooks import RunSummary
from orchestrator.sweep.make import make_sweep, setup_of
from trainables.cost.quiet import quiet_path
from trainables.io.claim import latest_driver
from trainables.io.redaction import expand, redact_ray_token
from trainables.session.messages import TrialTask
from trainables.training.seeds import trial_seed

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent, TrialAsked
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunHooks
    from orchestrator.sweep.sweep import Sweep
    from search_spaces.space import Config

CLASSES = "num_classes"
"""Fact of the ledger: number of classes of the data set."""
DRIVERS = "drivers"
"""Fact of the ledger: number of processes that have driven the sweep. It is the fencing token that
excludes the workers of an earlier driver."""


def run_sweep(
    spec: SweepSpec, folder: SweepFolder, *, num_classes: int, hooks: RunHooks
) -> RunSummary:
    """Run or resume the sweep in ``folder`` from the state in its ledger.

    Args:
        spec: Spec of the sweep, with pinned data.
        folder: Folder of the sweep; the caller holds its lock.
        num_classes: Classes of the data set, >= 2.
        hooks: Progress callbacks, listeners and the request to stop.

    Raises:
        ClusterError: Ray could not be started or reached.
        ResourceError: no lane fits on the cluster.
        TeacherFailedError: the training of the teacher failed.
        LedgerError: the ledger cannot be read or written.
    """
    with Ledger(folder.ledger) as ledger:
        ledger.set_fact(CLASSES, num_classes)
        trouble = _Trouble(hooks.stop_requested)
        hooks = replace(hooks, stop_requested=trouble.stops, listeners=(*hooks.listeners, trouble))
        clock = sweep_clock(ledger)
        setup = setup_of(
            spec, StaticCostModel(num_classes), earlier=recorded_warm_start(ledger).events
        )
        sweep = make_sweep(setup, journal=ledger, clock=clock, listeners=hooks.listeners)
        sweep.replay(event for _, event in ledger.events())
        checks = FinalChecks(
            spec=spec,
            folder=folder,
            ledger=ledger,
            clock=clock,
            hooks=hooks,
            num_classes=num_classes,
        )
        if not (sweep.proposes or checks.due()):
            return RunSummary(interrupted=False)
        hooks.stage("starting Ray")
        redact_ray_token()
        address = spec.resources.address
        with connected(None if address is None else expand(address)) as capacity:
            sizing = LaneSizing(spec, num_classes)
            summary = _run_on(
                spec,
                folder,
                sweep,
                hooks,
                checks=checks,
                sizing=sizing,
                local=capacity.local,
                driver=_next_driver(ledger, folder.trials),
            )
        return replace(summary, trouble=trouble.reason)


class _Trouble:
    """Requests a stop when a trial is preempted, which disk, lanes or Ray cause."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        self._asked = asked
        self.reason: str | None = None

    def stops(self) -> bool:
        """Whether the user requested a stop or a trial was preempted."""
        return self.reason is not None or self._asked()

    def on_event(self, event: SweepEvent, _: object, /, *, replayed: bool = False) -> None:
        """Record the first trial that was preempted without a request to stop.

        Preemptions of an earlier run are ignored.
        """
        if replayed or not (isinstance(event, TrialEnded) and event.state == "preempted"):
            return
        if not self.stops():
            self.reason = event.reason


def _run_on(
    spec: SweepSpec,
    folder: SweepFolder,
    sweep: Sweep,
    hooks: RunHooks,
    *,
    checks: FinalChecks,
    sizing: LaneSizing,
    local: bool,
    driver: int,
) -> RunSummary:
    nodes = survey()
    plans = sizing.plans(nodes, may_grow=not local)
    fitting = sum(sizing.counts(plans, nodes))
    waiting = sum(plan.lanes for plan in plans) - fitting
    hooks.stage(
        f"warming {', '.join(map(str, plans))}"
        + (f"; {waiting} of them wait for nodes" if waiting > 0 else "")
    )
    storage = folder.path / "ray"
    with (
        LanePool(
            plans,
            storage=str(storage),
            quiet_path=str(quiet_path()),
            name=folder.sweep_id,
            driver=driver,
        ) as pool,
        _following(pool, lambda: sizing.counts(plans, survey()), local=local),
    ):
        try:
            soft_labels = prepare_teacher(spec, pool, hooks) if sweep.proposes else None
            if sweep.proposes and not hooks.stop_requested():
                TuneSession(
                    sweep,
                    pool.broker,
                    lanes=lambda: pool.size,
                    make_task=_task_maker(spec, folder, soft_labels, sizing.need_mb),
                    stop_requested=lambda: hooks.stop_requested() or pool.lost,
                    storage=storage,
                ).run()
            sweep.settle()
        finally:
            interrupted = bool(sweep.open_trials) or sweep.proposes
            sweep.interrupt("the sweep was stopped; resume continues from its last epoch")
        if not interrupted:
            interrupted = not checks.run(pool)
        return RunSummary(
            interrupted=interrupted, lane_faults=tuple(pool.faults), problems=checks.failures()
        )


def _next_driver(ledger: Ledger, trials: Path) -> int:
    """Return the number of this driver, >= 1; the sweep's lock makes it unique.

    A ledger restored from a backup may be older than the claims in the trials' folders.
    """
    before = ledger.fact(DRIVERS)
    number = 1 + max(before if isinstance(before, int) else 0, latest_driver(trials))
    ledger.set_fact(DRIVERS, number)
    return number


def _following(
    pool: LanePool, room: Callable[[], list[int]], *, local: bool
) -> AbstractContextManager[object]:
    """Return a context that resizes the lanes with the cluster; a local Ray has a fixed size."""
    return nullcontext() if local else Elastic(room, pool.resize)


def _task_maker(
    spec: SweepSpec,
    folder: SweepFolder,
    soft_labels: str | None,
    need_mb: Callable[[Config], float | None],
) -> Callable[[TrialAsked], TrialTask]:
    training = scored_alike(spec)

    def make(asked: TrialAsked) -> TrialTask:
        return TrialTask(
            sweep_id=folder.sweep_id,
            trial_id=asked.trial_id,
            config=asked.config,
            seed=trial_seed(spec.training.seed, asked.number),
            epochs=spec.budget.epochs,
            data=spec.data,
            training=training,
            target=spec.target,
            cache_dir=str(spec.storage.cache_dir),
            output_dir=str(folder.trials / asked.trial_id),
            soft_labels=soft_labels,
            memory_mb=need_mb(asked.config),
        )

    return make
