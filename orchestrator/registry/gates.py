"""Gates that a model must pass before its promotion, as pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.registry.request import broken_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.spec.objectives import Constraint, Objective

GateName: TypeAlias = Literal[
    "digest", "constraints", "reload", "miou", "test", "latency", "champion", "seeds"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Verdict of one gate."""

    gate: GateName
    """Name of the gate."""
    passed: bool
    """Whether the model passed."""
    message: str
    """The compared figures, as one sentence."""
    figures: Mapping[str, float | str] = field(default_factory=dict)
    """The compared figures by name."""

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'failed'}: {self.message}"

    def to_mapping(self) -> dict[str, object]:
        """Return the verdict as JSON types; numbers that are not finite become None."""
        figures = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in self.figures.items()
        }
        return {
            "gate": self.gate,
            "passed": self.passed,
            "message": self.message,
            "figures": figures,
        }


def judge_digest(found: str, recorded: str) -> Verdict:
    """Check that the weights are the ones that the trial wrote."""
    same = found == recorded
    return Verdict(
        gate="digest",
        passed=same,
        message=f"SHA-256 of the weights is {found[:16]}, recorded is {recorded[:16]}",
        figures={"found": found, "recorded": recorded},
    )


def judge_constraints(figures: Mapping[str, float], constraints: Sequence[Constraint]) -> Verdict:
    """Check that the figures satisfy every constraint; a missing figure fails."""
    broken = broken_bounds(figures, constraints)
    bounds = ", ".join(map(str, constraints))
    kept = f"all of {bounds} hold" if bounds else "there are no constraints"
    used = {c.metric: figures.get(c.metric, math.nan) for c in constraints}
    return Verdict(
        gate="constraints",
        passed=not broken,
        message="; ".join(broken) or kept,
        figures={**used, "bounds": bounds},
    )


def judge_reload(
    *,
    agreement: float,
    found_digest: str,
    packed_digest: str,
    own_modules: Sequence[str],
    least: float,
) -> Verdict:
    """Check that the registered files predict as the trained model.

    Args:
        agreement: Share of pixels with the same class, [0, 1].
        found_digest: SHA-256 of the loaded program.
        packed_digest: SHA-256 of the packed program.
        own_modules: Modules of this product that the loading process imported; must be empty.
        least: Lowest agreement, [0, 1].
    """
    faults = []
    if found_digest != packed_digest:
        faults.append(f"its program is {found_digest[:16]}, the packed one {packed_digest[:16]}")
    if own_modules:
        faults.append(f"it imports {', '.join(own_modules)}")
    if not agreement >= least:
        faults.append(f"{agreement:.6f} of the pixels agree, {least:g} is required")
    passed = f"{agreement:.6f} of the pixels agree in a new process, {least:g} is required"
    return Verdict(
        gate="reload",
        passed=not faults,
        message="; ".join(faults) or passed,
        figures={
            "agreement": agreement,
            "least": least,
            "found_digest": found_digest,
            "packed_digest": packed_digest,
        },
    )


def judge_miou(*, found: float, recorded: float, tolerance: float) -> Verdict:
    """Check that the reloaded model reproduces the recorded mIoU."""
    return Verdict(
        gate="miou",
        passed=abs(found - recorded) <= tolerance,
        message=f"mIoU {found:.4f} on val, recorded {recorded:.4f}, tolerance {tolerance:g}",
        figures={"found": found, "recorded": recorded, "tolerance": tolerance},
    )


def judge_latency(
    *,
    found: float,
    recorded: float,
    tolerance: float,
    machine: str,
    recorded_machine: str,
    disturbance: str = "",
    recorded_undisturbed: bool = True,
) -> Verdict:
    """Check that the latency is not higher than recorded, within the tolerance.

    Disturbance only increases a latency. So a disturbed latency that is low enough passes. One that
    is too high fails, with the advice to measure on an idle machine.

    On another machine than the recorded one the gate passes, and the constraints use the new
    latency.
    """
    comparable = machine == recorded_machine
    passed = (
        found > 0
        and math.isfinite(found)
        and (not comparable or found <= recorded * (1 + tolerance))
    )
    against = (
        f"recorded {recorded:.3f} ms, at most {tolerance:.0%} more"
        if comparable
        else f"recorded {recorded:.3f} ms on {recorded_machine}; this machine has {machine}"
    )
    notes = "" if recorded_undisturbed else "; the recorded measurement was disturbed"
    if disturbance:
        notes += f"; this measurement was disturbed: {disturbance}"
        notes += "" if passed else "; promote again on an idle machine"
    return Verdict(
        gate="latency",
        passed=passed,
        message=f"latency {found:.3f} ms, {against}{notes}",
        figures={
            "undisturbed": float(not disturbance),
            "recorded_undisturbed": float(recorded_undisturbed),
            "found": found,
            "recorded": recorded,
            "tolerance": tolerance,
            "machine": machine,
            "recorded_machine": recorded_machine,
        },
    )


def judge_test(*, found: float, least: float) -> Verdict:
    """Check the lower bound of the mIoU on the test split."""
    return Verdict(
        gate="test",
        passed=found >= least,
        message=f"mIoU {found:.4f} on the test split, {least:g} is required",
        figures={"found": found, "least": least},
    )


def judge_champion(
    candidate: Mapping[str, float],
    champion: Mapping[str, float],
    objectives: Sequence[Objective],
    *,
    version: int,
    noise: Mapping[str, float],
) -> Verdict:
    """Check that the champion does not dominate the candidate.

    The champion dominates a candidate that is better in no objective and worse in at least one.
    Values within the noise are equal. Objectives that either lacks are skipped. A candidate with a
    value that is not finite fails; a champion's such value is worse than any number.

    Args:
        candidate: Figures of the candidate by metric.
        champion: Figures of the champion on the same data and machine.
        objectives: Objectives to compare.
        version: Version number of the champion.
        noise: Relative difference up to which two values of a metric are equal; default 0.
    """
    shared = [o for o in objectives if o.name in candidate and o.name in champion]
    gains = {
        o.name: _gain(candidate[o.name], champion[o.name], o, noise.get(o.name, 0.0))
        for o in shared
    }
    broken = [name for name in gains if not math.isfinite(candidate[name])]
    dominated = not any(gain > 0 for gain in gains.values()) and any(
        gain < 0 for gain in gains.values()
    )
    pairs = ", ".join(
        f"{name} {candidate[name]:.6g} against {champion[name]:.6g}" for name in gains
    )
    word = "dominates it" if dominated else "does not dominate it"
    if broken:
        word = f"cannot be compared: the candidate's {', '.join(broken)} is not finite"
    figures = {f"candidate_{name}": candidate[name] for name in gains}
    figures |= {f"champion_{name}": champion[name] for name in gains}
    return Verdict(
        gate="champion",
        passed=not (dominated or broken),
        message=f"champion version {version} {word}: {pairs}",
        figures={**figures, "champion_version": float(version)},
    )


def no_champion() -> Verdict:
    """Return the verdict without a champion."""
    return Verdict(gate="champion", passed=True, message="there is no champion yet")


def other_classes(found: Sequence[str], champion: Sequence[str], version: int) -> Verdict:
    """Return the verdict for a champion with other classes."""
    return Verdict(
        gate="champion",
        passed=False,
        message=f"champion version {version} predicts other classes "
        f"({len(champion)}: {', '.join(champion[:5])}) than this model "
        f"({len(found)}: {', '.join(found[:5])}); choose another --name",
        figures={"classes": float(len(found)), "champion_classes": float(len(champion))},
    )


def judge_seeds(scores: Sequence[float], *, recorded: float, tolerance: float) -> Verdict:
    """Check that other seeds reproduce the recorded mIoU.

    It may exceed the mean of the retrained models by two standard deviations, or by the tolerance
    if that is more.

    Args:
        scores: mIoU of the retrained models, at least one.
        recorded: mIoU of the candidate.
        tolerance: Smallest slack, >= 0.
    """
    mean = fmean(scores)
    spread = stdev(scores) if len(scores) > 1 else 0.0
    slack = max(2 * spread, tolerance)
    return Verdict(
        gate="seeds",
        passed=recorded - mean <= slack,
        message=f"mIoU {mean:.4f} ± {spread:.4f} over {len(scores)} seed(s), "
        f"recorded {recorded:.4f}, slack {slack:.4f}",
        figures={
            "mean": mean,
            "spread": spread,
            "seeds": float(len(scores)),
            "recorded": recorded,
            "scores": ", ".join(f"{score:.4f}" for score in scores),
        },
    )


def _gain(candidate: float, champion: float, objective: Objective, noise: float) -> float:
    """Return by how much the candidate is better, 0 within the noise.

    NaN if the candidate is not finite; infinite if only the champion is not.
    """
    if not math.isfinite(candidate):
        return math.nan
    if not math.isfinite(champion):
        return math.inf
    difference = candidate - champion
    if abs(difference) <= noise * max(abs(candidate), abs(champion)):
        return 0.0
    return difference if objective.direction == "maximize" else -difference
