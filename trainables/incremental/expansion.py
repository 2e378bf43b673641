"""A model with further outputs and unchanged logits of the old classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.incremental.config import ExtendError
from trainables.models.build import build_model

if TYPE_CHECKING:
    from search_spaces.config import TrialConfig
    from trainables.models.build import SegmentationModel


def expanded(
    model: SegmentationModel, config: TrialConfig, classes: int, added: int
) -> SegmentationModel:
    """Return a copy of ``model`` with ``added`` further outputs, in training mode.

    The old logits do not change. The classifier's rows of the new classes have random weights from
    torch's global generator.

    Raises:
        ExtendError: other layers than the last depend on the number of classes.
    """
    larger = build_model(config, classes + added)
    old, state = model.state_dict(), larger.state_dict()
    for name, values in state.items():
        before = old[name]
        if before.shape == values.shape:
            values.copy_(before)
            continue
        rows = (classes, classes + added)
        if before.shape[1:] != values.shape[1:] or (len(before), len(values)) != rows:
            raise ExtendError(
                f"{config.arch} on {config.backbone} cannot be extended: {name} is "
                f"{tuple(before.shape)} for {classes} classes and {tuple(values.shape)} for "
                f"{classes + added}; choose an architecture with the classes in the last layer only"
            )
        values[:classes].copy_(before)
    return larger.train()
