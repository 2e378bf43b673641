"""Trials of earlier sweeps as events that a searcher knows from the start."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.ledger.codec import decode, encode
from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialProfiled
from orchestrator.ledger.finite import broken_figures
from orchestrator.ledger.history.past import kept_settings, read_config
from orchestrator.spec.dump import spec_settings
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.history.past import Past, PastSweep, PastTrial
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config, SearchSpace


WARM_START = "warm_start"
"""Fact of a ledger that holds the events of earlier sweeps' trials."""
SAME = ("objectives", "target")
"""Parts of a spec that must be the same for trials to compare, besides the data."""
STATIC = ("params", "macs", "flops", "bops")
"""Figures that are known when a trial is asked."""
LEARNED = "miou"


class WarmStartError(ValueError):
    """A sweep that is to be started from cannot be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmStart:
    """What a searcher knows from the start."""

    sweeps: tuple[str, ...] = ()
    """Sweeps that trials were taken from, the oldest first."""
    events: tuple[SweepEvent, ...] = ()
    """Their trials, named w00000, w00001, ...; no trial of the sweep itself."""

    @property
    def trials(self) -> int:
        """Number of trials."""
        return sum(isinstance(event, TrialAsked) for event in self.events)


def settle_warm_start(
    spec: SweepSpec, ledger: Ledger, past: Past, *, sweep_id: str, dataset_digest: str | None
) -> WarmStart:
    """Return what the searcher of a sweep knows from the start, the same whenever it is resumed.

    What was found at the sweep's begin is a fact of its ledger. A sweep that began without one goes
    on without.

    Raises:
        WarmStartError: a sweep that the spec names is not there, or is about something else.
        TrackingError: the tracking store cannot be read.
    """
    if ledger.fact(WARM_START) is None and spec.search.warm_start:
        begun = next(iter(ledger.events()), None) is not None
        found = WarmStart()
        if not begun:
            found = find_warm_start(spec, past, sweep_id=sweep_id, dataset_digest=dataset_digest)
        ledger.set_fact(
            WARM_START, {"sweeps": found.sweeps, "events": [encode(each) for each in found.events]}
        )
    return kept_warm_start(ledger)


def kept_warm_start(ledger: Ledger) -> WarmStart:
    """Return what a sweep's searcher knew from the start; nothing where there is no such fact."""
    kept = ledger.fact(WARM_START)
    if not isinstance(kept, dict):
        return WarmStart()
    return WarmStart(
        sweeps=tuple(kept["sweeps"]),
        events=tuple(decode(kind, payload) for kind, payload in kept["events"]),
    )


def check_warm_start(spec: SweepSpec, past: Past, *, dataset_digest: str | None) -> None:
    """Refuse a spec that names a sweep to start from which is not there, or does not compare.

    Raises:
        WarmStartError: all such names are in it.
        TrackingError: the tracking store cannot be read.
    """
    wanted = spec.search.warm_start
    if isinstance(wanted, tuple):
        reasons = {e.sweep_id: _difference(e, spec, dataset_digest) for e in past.sweeps()}
        _check_named(wanted, reasons)


def find_warm_start(
    spec: SweepSpec, past: Past, *, sweep_id: str, dataset_digest: str | None
) -> WarmStart:
    """Return the trials of the sweeps that ``spec`` starts from, as far as they are in its space.

    Raises:
        WarmStartError: a sweep that the spec names is not there, or is about something else.
        TrackingError: the tracking store cannot be read.
    """
    wanted = spec.search.warm_start
    others = [each for each in past.sweeps() if each.sweep_id != sweep_id]
    reasons = {each.sweep_id: _difference(each, spec, dataset_digest) for each in others}
    if isinstance(wanted, tuple):
        _check_named(wanted, reasons)
        others = [each for each in others if each.sweep_id in wanted]
    sound = [each for each in others if reasons[each.sweep_id] is None]
    trials = [trial for sweep in sound for trial in past.trials(sweep)]
    events = warm_events(trials, spec.space, spec.objectives, epochs=spec.budget.epochs)
    return WarmStart(sweeps=tuple(each.sweep_id for each in sound), events=events)


def warm_events(
    trials: Iterable[PastTrial],
    space: SearchSpace,
    objectives: Sequence[Objective],
    *,
    epochs: int,
) -> tuple[SweepEvent, ...]:
    """Return the events of those ``trials`` that are points of ``space``, each configuration once.

    Of several trials of a configuration the longest counts, the first among equals. A complete one
    of as many epochs is complete; of one of more, the first ``epochs`` count, with the mIoU at the
    last of them; any other was stopped at its last. A complete one that lacks an objective, or has
    a loss or a score that is not finite, is left out.
    """
    longest: dict[str, tuple[Config, PastTrial]] = {}
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


def _depth(trial: PastTrial) -> tuple[int, bool]:
    return trial.curve[-1][0], trial.complete


def _lacks(trial: PastTrial, objectives: Iterable[Objective]) -> bool:
    if broken_figures(trial.metrics) is not None:
        return True  # it had diverged, which earlier releases recorded as complete
    return not all(math.isfinite(trial.metrics.get(each.name, math.nan)) for each in objectives)


def _trial_events(
    trial: PastTrial, config: Config, number: int, epochs: int
) -> Iterable[SweepEvent]:
    name = f"w{number:05d}"
    known = {each: trial.metrics[each] for each in STATIC if each in trial.metrics}
    yield TrialAsked(trial_id=name, number=number, config=config, known=known)
    measured = {k: v for k, v in trial.metrics.items() if k.startswith("latency_")}
    if measured:
        yield TrialProfiled(trial_id=name, metrics=measured)
    told = [(epoch, miou) for epoch, miou in trial.curve if epoch <= epochs]
    for epoch, miou in told:
        yield EpochReported(trial_id=name, epoch=epoch, metrics={LEARNED: miou})
    last = trial.curve[-1][0]
    source = f"trial {trial.trial_id} of {trial.sweep_id}"
    final = dict(trial.metrics)
    if last > epochs:
        final |= {LEARNED: told[-1][1]} if told else {}
    complete = trial.complete and last >= epochs and bool(told)
    yield TrialEnded(
        trial_id=name,
        state="complete" if complete else "stopped",
        reason=f"{source}, which had {last} epochs",
        metrics=final if complete else {},
    )


def _check_named(wanted: tuple[str, ...], reasons: Mapping[str, str | None]) -> None:
    faults = []
    for name in wanted:
        if name not in reasons:
            known = ", ".join(list(reasons)[-10:]) or "no other sweep"
            faults.append(f"{name} is not in the tracking store; there is {known}")
        elif reasons[name] is not None:
            faults.append(f"{name} {reasons[name]}")
    if faults:
        raise WarmStartError(f"search.warm_start: {'; '.join(faults)}")


def _difference(sweep: PastSweep, spec: SweepSpec, dataset_digest: str | None) -> str | None:
    """Return why the trials of ``sweep`` do not compare with those of ``spec``; None if they do."""
    if dataset_digest is None or sweep.dataset_digest != dataset_digest:
        return "was run on another data set, or another state of this one"
    theirs = kept_settings(sweep)
    if theirs is None:
        return "has no spec in the tracking store to compare with"
    own = spec_settings(spec)
    differing = [part for part in SAME if theirs.get(part) != own[part]]
    return f"has other {' and '.join(differing)}" if differing else None
