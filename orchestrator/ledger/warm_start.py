"""Warm start: trials of earlier sweeps as the first events that a searcher observes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialProfiled,
    decode,
    encode,
    nonfinite_text,
)
from orchestrator.ledger.history import read_config, recorded_settings
from orchestrator.spec.parse import spec_settings
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.history import EarlierSweep, EarlierTrial, SweepHistory
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config, SearchSpace


WARM_START = "warm_start"
"""Fact of a ledger that holds the events of earlier sweeps' trials."""
SAME = ("objectives", "target")
"""Parts of a spec, besides the data, that must be equal for trials to compare."""
STATIC = ("params", "macs", "flops", "bops")
"""Metrics that are known when a trial is proposed."""
LEARNED = "miou"


class WarmStartError(ValueError):
    """An earlier sweep that the spec names is missing or does not compare."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmStart:
    """Earlier trials that a searcher observes before its first proposal."""

    sweeps: tuple[str, ...] = ()
    """Sweeps of the trials, the oldest first."""
    events: tuple[SweepEvent, ...] = ()
    """Their trials, with the ids w00000, w00001, ...; no trial of the sweep itself."""

    @property
    def trials(self) -> int:
        """Number of trials."""
        return sum(isinstance(event, TrialAsked) for event in self.events)


def settle_warm_start(
    spec: SweepSpec,
    ledger: Ledger,
    history: SweepHistory,
    *,
    sweep_id: str,
    dataset_digest: str | None,
) -> WarmStart:
    """Return the warm start of a sweep, which is the same after every resume.

    The first start records it as a fact of the ledger. A sweep with events and without that fact
    has an empty warm start.

    Raises:
        WarmStartError: a sweep that the spec names is missing or does not compare.
        TrackingError: the tracking store cannot be read.
    """
    if ledger.fact(WARM_START) is None and spec.search.warm_start:
        start = WarmStart()
        if next(iter(ledger.events()), None) is None:
            start = find_warm_start(spec, history, sweep_id=sweep_id, dataset_digest=dataset_digest)
        events = [encode(event) for event in start.events]
        ledger.set_fact(WARM_START, {"sweeps": start.sweeps, "events": events})
    return recorded_warm_start(ledger)


def recorded_warm_start(ledger: Ledger) -> WarmStart:
    """Return the warm start that the ledger records; an empty one without that fact."""
    fact = ledger.fact(WARM_START)
    if not isinstance(fact, dict):
        return WarmStart()
    return WarmStart(
        sweeps=tuple(fact["sweeps"]),
        events=tuple(decode(kind, payload) for kind, payload in fact["events"]),
    )


def check_warm_start(spec: SweepSpec, history: SweepHistory, *, dataset_digest: str | None) -> None:
    """Check the earlier sweeps that the spec names.

    Raises:
        WarmStartError: some are missing or do not compare; it lists all of them.
        TrackingError: the tracking store cannot be read.
    """
    named = spec.search.warm_start
    if isinstance(named, tuple):
        reasons = {e.sweep_id: _difference(e, spec, dataset_digest) for e in history.sweeps()}
        _check_named(named, reasons)


def find_warm_start(
    spec: SweepSpec, history: SweepHistory, *, sweep_id: str, dataset_digest: str | None
) -> WarmStart:
    """Return those trials of the sweeps named in ``spec`` whose configs are in its space.

    Raises:
        WarmStartError: a sweep that the spec names is missing or does not compare.
        TrackingError: the tracking store cannot be read.
    """
    named = spec.search.warm_start
    sweeps = [sweep for sweep in history.sweeps() if sweep.sweep_id != sweep_id]
    reasons = {sweep.sweep_id: _difference(sweep, spec, dataset_digest) for sweep in sweeps}
    if isinstance(named, tuple):
        _check_named(named, reasons)
        sweeps = [sweep for sweep in sweeps if sweep.sweep_id in named]
    sweeps = [sweep for sweep in sweeps if reasons[sweep.sweep_id] is None]
    trials = [trial for sweep in sweeps for trial in history.trials(sweep)]
    events = warm_events(trials, spec.space, spec.objectives, epochs=spec.budget.epochs)
    return WarmStart(sweeps=tuple(sweep.sweep_id for sweep in sweeps), events=events)


def warm_events(
    trials: Iterable[EarlierTrial],
    space: SearchSpace,
    objectives: Sequence[Objective],
    *,
    epochs: int,
) -> tuple[SweepEvent, ...]:
    """Return the events of those ``trials`` that are points of ``space``, each config once.

    Among trials of one config, the longest counts, and the first of equally long ones. A complete
    trial with at least ``epochs`` epochs becomes a complete trial, cut after ``epochs``. Any other
    trial becomes a stopped one. A complete trial is skipped if it lacks an objective, or if a loss
    or a score is not finite.
    """
    longest: dict[str, tuple[Config, EarlierTrial]] = {}
    for trial in trials:
        config = read_config(trial.params, space)
        if config is None or not trial.curve or (trial.complete and _lacks(trial, objectives)):
            continue
        digest = config_digest(config)
        if digest not in longest or _depth(trial) > _depth(longest[digest][1]):
            longest[digest] = (config, trial)
    return tuple(
        event
        for number, (config, trial) in enumerate(longest.values())
        for event in _trial_events(trial, config, number, epochs)
    )


def _depth(trial: EarlierTrial) -> tuple[int, bool]:
    return trial.curve[-1][0], trial.complete


def _lacks(trial: EarlierTrial, objectives: Iterable[Objective]) -> bool:
    if nonfinite_text(trial.metrics) is not None:
        return True  # earlier releases recorded diverged trials as complete
    return not all(math.isfinite(trial.metrics.get(each.name, math.nan)) for each in objectives)


def _trial_events(
    trial: EarlierTrial, config: Config, number: int, epochs: int
) -> Iterable[SweepEvent]:
    name = f"w{number:05d}"
    known = {each: trial.metrics[each] for each in STATIC if each in trial.metrics}
    yield TrialAsked(trial_id=name, number=number, config=config, known=known)
    measured = {k: v for k, v in trial.metrics.items() if k.startswith("latency_")}
    if measured:
        yield TrialProfiled(trial_id=name, metrics=measured)
    reported = [(epoch, miou) for epoch, miou in trial.curve if epoch <= epochs]
    for epoch, miou in reported:
        yield EpochReported(trial_id=name, epoch=epoch, metrics={LEARNED: miou})
    last = trial.curve[-1][0]
    source = f"trial {trial.trial_id} of {trial.sweep_id}"
    final = dict(trial.metrics)
    if last > epochs:
        final |= {LEARNED: reported[-1][1]} if reported else {}
    complete = trial.complete and last >= epochs and bool(reported)
    yield TrialEnded(
        trial_id=name,
        state="complete" if complete else "stopped",
        reason=f"{source}, {last} epochs",
        metrics=final if complete else {},
    )


def _check_named(wanted: tuple[str, ...], reasons: Mapping[str, str | None]) -> None:
    faults = []
    for name in wanted:
        if name not in reasons:
            known = ", ".join(list(reasons)[-10:]) or "no other sweep"
            faults.append(f"{name} is not in the tracking store, which has {known}")
        elif reasons[name] is not None:
            faults.append(f"{name} {reasons[name]}")
    if faults:
        raise WarmStartError(f"search.warm_start: {'; '.join(faults)}")


def _difference(sweep: EarlierSweep, spec: SweepSpec, dataset_digest: str | None) -> str | None:
    """Return why the trials of ``sweep`` do not compare with those of ``spec``; None if they do."""
    if dataset_digest is None or sweep.dataset_digest != dataset_digest:
        return "ran on another data set or another version of it"
    settings = recorded_settings(sweep)
    if settings is None:
        return "has no spec in the tracking store"
    wanted = spec_settings(spec)
    differing = [part for part in SAME if settings.get(part) != wanted[part]]
    return f"has other {' and '.join(differing)}" if differing else None
