"""Which state on the disk a training may go on from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.compression.stages import stages
from trainables.training.checkpoint import restore_best
from trainables.training.finite import (
    DivergedError,
    NotFiniteError,
    broken_weights,
    require_finite,
)
from trainables.training.state import load_last

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from search_spaces.domains import Value
    from trainables.training.plan import Plan


def identity_of(plan: Plan) -> dict[str, Value]:
    """Return what a state must have been made of to go on with it."""
    identity = {**plan.config.to_mapping(), "seed": plan.seed}
    if stages(plan.config, plan.epochs):  # they come when the number of epochs says
        identity["epochs"] = plan.epochs
    return identity


def sound_state(plan: Plan) -> dict[str, Any] | None:
    """Return the newest state of this plan that has sound best weights; None without one.

    The best of an epoch that the state does not know, which was saved before the crash that the
    state was not, gives way to the best before it. So does one that was torn.

    Raises:
        DivergedError: the weights or the metrics in the state are not finite.
    """
    state = load_last(plan.folder)
    if state is None or state["identity"] != identity_of(plan):
        return None
    progress: dict[str, Any] = state["progress"]
    _require_finite(state["step"]["model"], progress)
    newest = progress["best_epoch"]
    if newest == 0:
        return state
    best = restore_best(
        plan.folder,
        lambda facts: facts["epoch"] <= newest and _alike(plan, facts["epoch"], newest),
    )
    if best is None:
        return None
    progress["best_epoch"] = best["epoch"]
    progress["best"] = {name: best[name] for name in progress["best"]}
    return state


def _require_finite(weights: Mapping[str, Tensor], progress: Mapping[str, Any]) -> None:
    """Refuse a state whose training had diverged already: it would do so again."""
    epoch = progress["epoch"]
    if broken := broken_weights(weights):
        raise DivergedError(
            f"the weights saved after epoch {epoch} are not finite: {len(broken)} of "
            f"{len(weights)} tensors, {broken[0]} the first"
        )
    for number, metrics in enumerate(progress["history"], start=1):
        try:
            require_finite(metrics)
        except NotFiniteError as error:
            raise DivergedError(
                f"the saved state is of no use: {error} in epoch {number}"
            ) from error


def _alike(plan: Plan, epoch: int, other: int) -> bool:
    """Whether the model was the same network in both epochs."""
    due = [stage.after_epoch for stage in stages(plan.config, plan.epochs)]
    return all((after < epoch) == (after < other) for after in due)
