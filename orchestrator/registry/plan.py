"""Plan of a promotion, which can be printed before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.registry.versions import SHOWN, SWEEP, TRIAL
from orchestrator.report.analysis.held_out import TEST_MIOU
from orchestrator.report.tables.labels import label
from orchestrator.report.text import brief

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.registry.choose import Choice
    from orchestrator.registry.gates import GateName
    from orchestrator.registry.versions import ModelVersion
    from orchestrator.spec.constraints import Constraint


@dataclass(frozen=True, kw_only=True, slots=True)
class PromotionPlan:
    """Plan of a promotion."""

    name: str
    """Name of the registered model."""
    sweep_id: str
    """Sweep of the trial."""
    choice: Choice
    """The chosen trial with the reason."""
    constraints: tuple[Constraint, ...]
    """Constraints on the reproduced figures."""
    gates: tuple[GateName, ...]
    """Gates in their order."""
    test_split: str | None = None
    """Name of the test split; None if the sweep has none."""
    min_test_miou: float | None = None
    """Lowest mIoU on the test split, [0, 1]; None is unbounded."""
    champion: ModelVersion | None = None
    """The version to replace; None for the first promotion."""
    recorded_machine: str | None = None
    """Processor or GPU of the recorded latency; None if unknown."""

    @property
    def trial_id(self) -> str:
        """Id of the trial to promote."""
        return self.choice.row.trial_id

    @property
    def figures(self) -> dict[str, float]:
        """Figures of the trial, with the mIoU on the test split if it was scored."""
        row = self.choice.row
        return {**row.metrics, **({} if row.test_miou is None else {TEST_MIOU: row.test_miou})}

    @property
    def already_champion(self) -> bool:
        """Whether the champion is this trial."""
        tags = {} if self.champion is None else self.champion.tags
        return tags.get(SWEEP) == self.sweep_id and tags.get(TRIAL) == self.trial_id

    def to_mapping(self) -> dict[str, object]:
        """Return the plan as JSON types."""
        row = self.choice.row
        return {
            "name": self.name,
            "sweep_id": self.sweep_id,
            "trial_id": row.trial_id,
            "reason": self.choice.reason,
            "config": dict(row.config),
            "figures": {key: self.figures[key] for key in SHOWN if key in self.figures},
            "scored_on_test": None if self.test_split is None else row.test_miou is not None,
            "passed_over": [
                {"trial_id": trial, "reason": reason} for trial, reason in self.choice.passed_over
            ],
            "constraints": [str(each) for each in self.constraints],
            "min_test_miou": self.min_test_miou,
            "gates": list(self.gates),
            "champion": None if self.champion is None else self.champion.to_mapping(),
            "already_champion": self.already_champion,
        }

    def lines(self) -> list[str]:
        """Return the plan as lines of text."""
        row = self.choice.row
        found = [
            f"model      {self.name}",
            f"trial      {row.trial_id} of {self.sweep_id}: {brief(row.config)}",
            f"figures    {figures_text(self.figures)}",
            f"because    {self.choice.reason}",
        ]
        if self.test_split is not None and row.test_miou is None:
            found.append(
                f"scores     it on the test split {self.test_split!r}, which has no score yet"
            )
        found += [f"not        {trial}: {why}" for trial, why in self.choice.passed_over]
        if self.champion is None:
            found.append("replaces   nothing: the model has no champion yet")
        else:
            tags = self.champion.tags
            origin = f"{tags.get(TRIAL, 'a trial')} of {tags.get(SWEEP, 'another source')}"
            figures = figures_text(self.champion.figures)
            found.append(f"replaces   version {self.champion.version}, {origin}: {figures}")
        least = self.min_test_miou
        test = [] if least is None else [f"{TEST_MIOU} >= {least:g}, as a gate only"]
        bounds = ", ".join([*map(str, self.constraints), *test])
        found.append(f"bounds     {bounds or 'none'}")
        found.append(f"gates      {', '.join(self.gates)}")
        return found


def figures_text(figures: Mapping[str, float]) -> str:
    """Return the known figures of ``SHOWN`` in one line."""
    shown = [
        f"{label(name).heading} {label(name).show(figures[name])}"
        for name in SHOWN
        if name in figures
    ]
    return ", ".join(shown) or "no figures"
