"""A promotion as a value that can be printed before anything moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.registry.versions import SHOWN, SWEEP, TRIAL
from orchestrator.report.held_out import TEST_MIOU
from orchestrator.report.labels import label
from orchestrator.report.text import brief

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.registry.choose import Choice
    from orchestrator.registry.gates import GateName
    from orchestrator.registry.versions import ModelVersion
    from orchestrator.spec.constraints import Constraint


@dataclass(frozen=True, kw_only=True, slots=True)
class PromotionPlan:
    """What a promotion would do."""

    name: str
    """Name of the registered model."""
    sweep_id: str
    """Sweep that the trial is of."""
    choice: Choice
    """The trial with the reason."""
    constraints: tuple[Constraint, ...]
    """Bounds that must hold when the figures are measured again."""
    gates: tuple[GateName, ...]
    """What it must pass, in this order."""
    test_split: str | None = None
    """The split that it is scored on unless it was; None where the sweep has none."""
    min_test_miou: float | None = None
    """Least mIoU on it, [0, 1]; None asks for none."""
    champion: ModelVersion | None = None
    """The version it would replace; None for the first."""
    recorded_machine: str | None = None
    """Processor or GPU that the trial's latency was measured on; None where that is not known."""

    @property
    def trial_id(self) -> str:
        """The trial to promote."""
        return self.choice.row.trial_id

    @property
    def figures(self) -> dict[str, float]:
        """The trial's figures, that on the test split with them where it was scored on one."""
        row = self.choice.row
        return {**row.metrics, **({} if row.test_miou is None else {TEST_MIOU: row.test_miou})}

    @property
    def already_champion(self) -> bool:
        """Whether the champion is this very trial."""
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
        """Return the plan for a reader."""
        row = self.choice.row
        found = [
            f"model      {self.name}",
            f"trial      {row.trial_id} of {self.sweep_id}: {brief(row.config)}",
            f"figures    {figures_text(self.figures)}",
            f"because    {self.choice.reason}",
        ]
        if self.test_split is not None and row.test_miou is None:
            found.append(f"scores     it on the test split {self.test_split!r}, as nothing did yet")
        found += [f"not        {trial}: {why}" for trial, why in self.choice.passed_over]
        if self.champion is None:
            found.append("replaces   nothing: the model has no champion yet")
        else:
            tags = self.champion.tags
            origin = f"{tags.get(TRIAL, 'a trial')} of {tags.get(SWEEP, 'another source')}"
            figures = figures_text(self.champion.figures)
            found.append(f"replaces   version {self.champion.version}, {origin}: {figures}")
        least = self.min_test_miou
        test = [] if least is None else [f"{TEST_MIOU} >= {least:g}, by its gate alone"]
        bounds = ", ".join([*map(str, self.constraints), *test])
        found.append(f"bounds     {bounds or 'none'}")
        found.append(f"gates      {', '.join(self.gates)}")
        return found


def figures_text(figures: Mapping[str, float]) -> str:
    """Return the figures a model is described by, those that are known, in one line."""
    shown = [
        f"{label(name).heading} {label(name).show(figures[name])}"
        for name in SHOWN
        if name in figures
    ]
    return ", ".join(shown) or "no figures"
