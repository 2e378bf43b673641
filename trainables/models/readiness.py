"""Checks that networks and their pretrained weights are available, before a sweep starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from search_spaces.vocabulary import BUILTIN_ARCHS
from trainables.io.extras import MissingExtraError
from trainables.models.build import build_model
from trainables.models.weights import WeightsError, given_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from search_spaces.config import TrialConfig
    from trainables.models.weights import Weights

LONGEST = 400
"""Longest reason in an error, characters."""


class UnbuildableError(Exception):
    """Networks cannot be built, or their weights are not available; the message lists all."""


def check_networks(networks: Iterable[TrialConfig], weights: Weights) -> None:
    """Build every network that may fail, once per encoder, and download its weights.

    Our own architectures without pretrained weights cannot fail, so they are skipped. The state of
    torch's random generator stays the same.

    Args:
        networks: Configurations.
        weights: Source of pretrained weights; None (``none``) for random weights.

    Raises:
        UnbuildableError: networks cannot be built, or their weights are missing or do not fit.
    """
    weights = given_weights(weights)
    faults: dict[str, str] = {}
    chosen = {_key(c, weights): c for c in networks if _may_fail(c, weights)}
    with torch.random.fork_rng(devices=[]):
        for config in chosen.values():
            try:
                build_model(config, 2, weights=weights)
            except MissingExtraError as error:
                faults[str(error)] = ""
            except (ValueError, WeightsError) as error:
                faults[_short(str(error))] = _name(config)
    if faults:
        lines = [
            f"  {name}: {reason}" if name else f"  {reason}" for reason, name in faults.items()
        ]
        count = f"{len(lines)} fault{'s' if len(lines) != 1 else ''}"
        raise UnbuildableError("\n".join([f"{count} in the networks of the sweep:", *lines]))


def _may_fail(config: TrialConfig, weights: Weights) -> bool:
    return weights is not None or config.arch not in BUILTIN_ARCHS


def _key(config: TrialConfig, weights: Weights) -> tuple[object, ...]:
    """Return a key that is equal for networks of which all or none can be built."""
    if config.arch not in BUILTIN_ARCHS:
        return (config.arch, config.backbone)
    return (None if weights is None else config.backbone, config.width)


def _name(config: TrialConfig) -> str:
    width = "" if config.width in {None, 1.0} else f", width {config.width:g}"
    return f"{config.arch} on {config.backbone}{width}"


def _short(reason: str) -> str:
    text = " ".join(reason.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
