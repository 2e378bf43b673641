"""The state on the disk that a training resumes from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from trainables.compression.stages import stages
from trainables.training.checkpoint import restore_best
from trainables.training.finite import (
    DivergedError,
    NotFiniteError,
    broken_weights,
    require_finite,
)
from trainables.training.plan import PartialEpoch, Progress
from trainables.training.state import load_last, save_last

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from search_spaces.domains import Value
    from trainables.training.plan import Plan


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Everything that a training resumes from."""

    step: dict[str, Any]
    """``TrainStep.state_dict``."""
    progress: Progress
    """How far the training had come."""

    def save(self, plan: Plan) -> None:
        """Write the state into the folder of ``plan``."""
        progress = asdict(self.progress)
        save_last(
            plan.folder, {"identity": _identity(plan), "step": self.step, "progress": progress}
        )


def find_resume_point(plan: Plan) -> ResumePoint | None:
    """Return the newest intact state of ``plan`` that has intact best weights; None without one.

    Best weights are written before the state of their epoch. So a crash in between leaves best
    weights of an epoch that the state lacks; the previous best weights replace them, as they do
    torn ones.

    Raises:
        DivergedError: the weights or the metrics in the state are not finite.
    """
    state = load_last(plan.folder)
    if state is None or state["identity"] != _identity(plan):
        return None
    progress = _progress(state)
    _require_finite(state["step"]["model"], progress)
    if newest := progress.best_epoch:
        best = restore_best(
            plan.folder,
            lambda facts: facts["epoch"] <= newest and _same_network(plan, facts["epoch"], newest),
        )
        if best is None:
            return None
        progress.best_epoch = best["epoch"]
        progress.best = {name: best[name] for name in progress.best}
    return ResumePoint(state["step"], progress)


def _identity(plan: Plan) -> dict[str, Value]:
    """Return what the plan of a state must have in common with the plan that resumes from it."""
    identity = {**plan.config.to_mapping(), "seed": plan.seed}
    if stages(plan.config, plan.epochs):  # the number of epochs determines when they happen
        identity["epochs"] = plan.epochs
    return identity


def _progress(state: Mapping[str, Any]) -> Progress:
    values = dict(state["progress"])
    partial = values.pop("partial", None)
    if "partial" in state:  # as earlier versions wrote it
        partial = {**state["partial"], "rank_states": state["own"]}
    return Progress(**values, partial=None if partial is None else PartialEpoch(**partial))


def _require_finite(weights: Mapping[str, Tensor], progress: Progress) -> None:
    """Refuse the state of a training that had diverged: it would diverge again."""
    if broken := broken_weights(weights):
        raise DivergedError(
            f"the weights saved after epoch {progress.epoch} are not finite: {len(broken)} of "
            f"{len(weights)} tensors, the first is {broken[0]}"
        )
    for number, metrics in enumerate(progress.history, start=1):
        try:
            require_finite(metrics)
        except NotFiniteError as error:
            raise DivergedError(
                f"the saved state cannot be resumed: {error} in epoch {number}"
            ) from error


def _same_network(plan: Plan, epoch: int, other: int) -> bool:
    """Whether the model had the same layers in both epochs."""
    due = [stage.after_epoch for stage in stages(plan.config, plan.epochs)]
    return all((after < epoch) == (after < other) for after in due)
