"""Whether networks can be built, with their pretrained weights, before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from search_spaces.vocabulary import BUILTIN_ARCHS
from trainables.models.build import build_model
from trainables.models.library import LibraryMissingError
from trainables.models.weights import WeightsError, given_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from search_spaces.config import TrialConfig
    from trainables.models.weights import Weights

LONGEST = 400
"""Characters of a reason that are shown."""


class UnbuildableError(Exception):
    """Networks cannot be built, or their weights cannot be had; the message names all of them."""


def check_networks(networks: Iterable[TrialConfig], weights: Weights) -> None:
    """Build what may fail to be built, once for every encoder; download what is to be downloaded.

    Networks of ours without pretrained weights always can be built, so they are passed over.
    Torch's random numbers are left as they were.

    Args:
        networks: Configurations; those alike in encoder and kind of architecture count once.
        weights: Where pretrained weights come from; None (``none``) for random ones.

    Raises:
        UnbuildableError: some cannot be built, or their weights are missing or those of others.
    """
    weights = given_weights(weights)
    faults: dict[str, str] = {}
    chosen = {_key(each, weights): each for each in networks if _may_fail(each, weights)}
    with torch.random.fork_rng(devices=[]):
        for config in chosen.values():
            try:
                build_model(config, 2, weights=weights)
            except LibraryMissingError as error:
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
    """Return what two networks are alike in where one can be built if the other can."""
    if config.arch not in BUILTIN_ARCHS:
        return (config.arch, config.backbone)
    return (None if weights is None else config.backbone, config.width)


def _name(config: TrialConfig) -> str:
    width = "" if config.width in {None, 1.0} else f", width {config.width:g}"
    return f"{config.arch} on {config.backbone}{width}"


def _short(reason: str) -> str:
    text = " ".join(reason.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
