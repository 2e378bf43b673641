"""What a model must show before it is promoted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.registry.bounds import broken_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.spec.constraints import Constraint
    from orchestrator.spec.objectives import Objective

GateName: TypeAlias = Literal[
    "digest", "constraints", "reload", "miou", "test", "latency", "champion", "seeds"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What one gate found."""

    gate: GateName
    """The gate."""
    passed: bool
    """Whether the model may go on."""
    message: str
    """What was found and what it was compared with, in a sentence."""
    figures: Mapping[str, float | str] = field(default_factory=dict)
    """Every figure of the comparison by name."""

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'failed'}: {self.message}"

    def to_mapping(self) -> dict[str, object]:
        """Return the verdict as JSON types; a number that is not finite becomes None."""
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
    """Return whether the trial's weights are those that it wrote."""
    same = found == recorded
    return Verdict(
        gate="digest",
        passed=same,
        message=f"SHA-256 of the weights is {found[:16]}, recorded is {recorded[:16]}",
        figures={"found": found, "recorded": recorded},
    )


def judge_constraints(figures: Mapping[str, float], constraints: Sequence[Constraint]) -> Verdict:
    """Return whether the figures keep every bound; one that is missing keeps none."""
    broken = broken_bounds(figures, constraints)
    bounds = ", ".join(map(str, constraints))
    kept = f"all of {bounds} hold" if bounds else "there are none"
    used = {c.metric: figures.get(c.metric, math.nan) for c in constraints}
    return Verdict(
        gate="constraints",
        passed=not broken,
        message="; ".join(broken) or kept,
        figures={**used, "bounds": bounds},
    )


def judge_reload(
    *, agreement: float, found_digest: str, packed_digest: str, ours: Sequence[str], least: float
) -> Verdict:
    """Return whether the registry's files predict what the trained model does.

    Args:
        agreement: Share of pixels that both predict alike, [0, 1].
        found_digest: SHA-256 of the program that was loaded.
        packed_digest: SHA-256 of the program that was packed.
        ours: Modules of this product that the loading process had imported; there must be none.
        least: Least agreement, [0, 1].
    """
    faults = []
    if found_digest != packed_digest:
        faults.append(f"its program is {found_digest[:16]}, packed was {packed_digest[:16]}")
    if ours:
        faults.append(f"it needs {', '.join(ours)}")
    if not agreement >= least:
        faults.append(f"{agreement:.6f} of the pixels agree, {least:g} are needed")
    good = f"{agreement:.6f} of the pixels agree in a fresh process, {least:g} are needed"
    return Verdict(
        gate="reload",
        passed=not faults,
        message="; ".join(faults) or good,
        figures={
            "agreement": agreement,
            "least": least,
            "found_digest": found_digest,
            "packed_digest": packed_digest,
        },
    )


def judge_miou(*, found: float, recorded: float, tolerance: float) -> Verdict:
    """Return whether the reloaded model's mIoU is the one that the trial recorded."""
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
    """Return whether the latency is no longer than recorded, within the tolerance.

    Disturbance only adds to a latency. So a disturbed figure that is short enough passes, and one
    that is too long proves nothing: it fails with the advice to measure on a quiet machine.

    On another machine than the recorded one there is nothing to compare with: it passes, and the
    new figure is what the constraints are held against.
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
        else f"recorded {recorded:.3f} ms on {recorded_machine}, which this is not ({machine})"
    )
    notes = "" if recorded_undisturbed else "; the recorded figure was measured under disturbance"
    if disturbance:
        notes += f"; measured under disturbance now: {disturbance}"
        notes += "" if passed else "; promote again on a quiet machine"
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
    """Return whether the model's mIoU on the test split is high enough."""
    return Verdict(
        gate="test",
        passed=found >= least,
        message=f"mIoU {found:.4f} on the test split, {least:g} is needed",
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
    """Return whether the champion leaves the candidate a reason to be.

    The champion dominates it where the candidate is nowhere better and somewhere worse; values
    within the objective's noise count as equal. Objectives that either lacks are left out. A
    candidate with a value that is not finite does not pass; a champion's is worse than any number.

    Args:
        candidate: Figures of the candidate by metric.
        champion: Figures of the champion on the same data and machine.
        objectives: What is compared.
        version: Number of the champion's version.
        noise: Share of the larger value within which two values of a metric are equal; none is 0.
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
        word = f"cannot be compared with it, as its {', '.join(broken)} is not finite"
    figures = {f"candidate_{name}": candidate[name] for name in gains}
    figures |= {f"champion_{name}": champion[name] for name in gains}
    return Verdict(
        gate="champion",
        passed=not (dominated or broken),
        message=f"champion version {version} {word}: {pairs}",
        figures={**figures, "champion_version": float(version)},
    )


def no_champion() -> Verdict:
    """Return the verdict where there is no champion to compare with."""
    return Verdict(gate="champion", passed=True, message="there is no champion yet")


def other_classes(found: Sequence[str], champion: Sequence[str], version: int) -> Verdict:
    """Return the verdict where the champion predicts other classes."""
    return Verdict(
        gate="champion",
        passed=False,
        message=f"champion version {version} predicts other classes "
        f"({len(champion)}: {', '.join(champion[:5])}) than this model "
        f"({len(found)}: {', '.join(found[:5])}); give the model another --name",
        figures={"classes": float(len(found)), "champion_classes": float(len(champion))},
    )


def judge_seeds(scores: Sequence[float], *, recorded: float, tolerance: float) -> Verdict:
    """Return whether the recorded mIoU can be had again from other seeds.

    It passes where the recorded mIoU is at most two standard deviations, or the tolerance where
    that is more, above the mean of the retrained models.

    Args:
        scores: mIoU of the retrained models, >= 1.
        recorded: mIoU of the candidate.
        tolerance: Least slack, >= 0.
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

    NaN where the candidate is not finite, else infinite where the champion is not.
    """
    if not math.isfinite(candidate):
        return math.nan
    if not math.isfinite(champion):
        return math.inf
    difference = candidate - champion
    if abs(difference) <= noise * max(abs(candidate), abs(champion)):
        return 0.0
    return difference if objective.direction == "maximize" else -difference
