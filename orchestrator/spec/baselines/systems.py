"""The papers' systems as baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.spec.baselines.paper_models import PAPERS
from search_spaces.config import TrialConfig

if TYPE_CHECKING:
    from orchestrator.spec.baselines.papers import PaperModel

ALL = "papers"
"""Word for the systems of all papers."""
NETWORK = ("arch", "backbone", "last_expansion", "width", "output_stride", "decoder_convs")
"""Settings that make a paper's network."""
STUDENT_ALPHA = 0.5
"""Weight of the soft loss of a paper's distilled system; the papers do not state theirs."""


def preset_systems(word: str, *, distilled: bool) -> dict[str, dict[str, Any]] | None:
    """Return the settings of each system that ``word`` names; None where it names none.

    A system is its network without compression, which a paper fixes. Its resolution and its
    training are left to the sweep: so that it is compared by its network, and because the papers'
    own training is for far more epochs, from ImageNet's weights.

    Args:
        word: ``papers``, a paper's key, or the name of one system.
        distilled: Whether there is a teacher, from which the systems that have one are distilled.
    """
    found = {
        model.key: _settings(model, distilled=distilled)
        for paper in PAPERS
        for model in paper.models
        if word == model.key or (model.system and word in {ALL, paper.key})
    }
    return found or None


def system_names() -> tuple[str, ...]:
    """Return every word that ``preset_systems`` knows."""
    models = (model.key for paper in PAPERS for model in paper.models)
    return (ALL, *(paper.key for paper in PAPERS), *models)


def _settings(model: PaperModel, *, distilled: bool) -> dict[str, Any]:
    config = TrialConfig.from_mapping(model.config).to_mapping()
    network: dict[str, Any] = {name: config[name] for name in NETWORK if name in config}
    soft = STUDENT_ALPHA if distilled and model.distilled else 0.0
    aim = {"distill_alpha": soft} if distilled else {}
    return {**network, "quantization": "none", "pruning": "none", **aim}
