"""The papers' systems as baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.spec.baselines.paper_models import PAPERS
from search_spaces.config import TrialConfig

if TYPE_CHECKING:
    from orchestrator.spec.baselines.papers import PaperModel

ALL = "papers"
"""Word that names the systems of all papers."""
NETWORK = ("arch", "backbone", "last_expansion", "width", "output_stride", "decoder_convs")
"""Settings that define a paper's network."""
STUDENT_ALPHA = 0.5
"""Weight of the soft loss in a distilled system; the papers do not state it."""


def preset_systems(word: str, *, distilled: bool) -> dict[str, dict[str, Any]] | None:
    """Return the settings of each system that ``word`` names; None if it names none.

    A system fixes the network, without compression. Resolution and training are the sweep's, so
    that systems compare by their networks; the papers train far longer, from ImageNet weights.

    Args:
        word: ``papers``, a paper's key, or the name of one system.
        distilled: Whether the sweep has a teacher for the systems that are distilled.
    """
    systems = {
        model.key: _settings(model, distilled=distilled)
        for paper in PAPERS
        for model in paper.models
        if word == model.key or (model.system and word in {ALL, paper.key})
    }
    return systems or None


def system_names() -> tuple[str, ...]:
    """Return every word that ``preset_systems`` accepts."""
    models = (model.key for paper in PAPERS for model in paper.models)
    return (ALL, *(paper.key for paper in PAPERS), *models)


def _settings(model: PaperModel, *, distilled: bool) -> dict[str, Any]:
    config = TrialConfig.from_mapping(model.config).to_mapping()
    network: dict[str, Any] = {name: config[name] for name in NETWORK if name in config}
    soft = STUDENT_ALPHA if distilled and model.distilled else 0.0
    alpha = {"distill_alpha": soft} if distilled else {}
    return {**network, "quantization": "none", "pruning": "none", **alpha}
