"""Versions of registered models, their references and tags."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CHAMPION, PREVIOUS = "champion", "previous"
"""Aliases of the version in use and of the version that it replaced."""

STATE = "promotion.state"
"""``candidate`` during the gates, then ``promoted``, ``refused`` or ``abandoned``."""
BY, AT = "promotion.by", "promotion.at"
RULE, REASON = "promotion.rule", "promotion.reason"
REPLACED = "promotion.replaced"
"""Version number of the former champion."""
REFUSED_BY = "promotion.refused_by"
"""Failed gates, comma-separated."""
SWEEP, TRIAL = "sweep.id", "trial.id"
DATASET = "dataset.digest"
PROGRAM = "program.sha256"
MODEL = "model.id"
"""Logged model of the version, which MLflow's response may lack."""
GATE_PREFIX, FIGURE_PREFIX = "gate.", "figure."
SHOWN = ("miou", "test_miou", "latency_ms", "flops", "params", "size_mb")
"""Figures in the description of a version."""


class UnknownModelError(ValueError):
    """The model or the version does not exist."""


class ModelNameError(ValueError):
    """The name cannot be registered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelVersion:
    """One version of a registered model."""

    name: str
    """Name of the registered model."""
    version: int
    """Version number, from 1."""
    aliases: tuple[str, ...] = ()
    """Its aliases."""
    created_ms: int = 0
    """Time of registration, ms since 1970."""
    run_id: str | None = None
    """Run of its trial; None if unknown."""
    model_id: str | None = None
    """Logged model with its files."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Its tags."""

    @property
    def figures(self) -> dict[str, float]:
        """Figures that the gates measured, by metric."""
        return {
            key.removeprefix(FIGURE_PREFIX): float(value)
            for key, value in self.tags.items()
            if key.startswith(FIGURE_PREFIX)
        }

    @property
    def when(self) -> str:
        """Time of the promotion, ISO 8601."""
        created = datetime.fromtimestamp(self.created_ms / 1000, UTC)
        return self.tags.get(AT) or f"{created:%Y-%m-%dT%H:%M:%SZ}"

    def to_mapping(self) -> dict[str, object]:
        """Return the version as JSON types."""
        return {
            "name": self.name,
            "version": self.version,
            "aliases": list(self.aliases),
            "state": self.tags.get(STATE),
            "when": self.when,
            "by": self.tags.get(BY),
            "sweep_id": self.tags.get(SWEEP),
            "trial_id": self.tags.get(TRIAL),
            "rule": self.tags.get(RULE),
            "refused_by": self.tags.get(REFUSED_BY),
            "replaced": self.tags.get(REPLACED),
            "run_id": self.run_id,
            "figures": self.figures,
        }


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Reference to a version by alias or number."""

    name: str
    """Name of the registered model."""
    alias: str | None = CHAMPION
    """Alias of the version; None with a number."""
    version: int | None = None
    """Version number; None with an alias."""

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Parse ``NAME``, ``NAME@ALIAS`` or ``NAME/VERSION``, optionally after ``models:/``.

        Raises:
            UnknownModelError: the text has another form.
        """
        match = re.fullmatch(r"([^/:@]+)(?:@([\w-]+)|/(\d+))?", text.removeprefix("models:/"))
        if match is None:
            raise UnknownModelError(
                f"{text!r} is no model reference; use NAME@champion, NAME@previous or NAME/VERSION"
            )
        if match[3]:
            return cls(match[1], None, int(match[3]))
        return cls(match[1], match[2] or CHAMPION)

    def __str__(self) -> str:
        return (
            f"{self.name}@{self.alias}" if self.version is None else f"{self.name}/{self.version}"
        )


def check_name(name: str) -> str:
    """Return ``name`` if a model can be registered under it.

    Raises:
        ModelNameError: it is empty, too long, or has a reserved character.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w. -]{0,99}", name):
        raise ModelNameError(
            f"{name!r} cannot name a model; use letters, digits, '.', '_', '-' and spaces, "
            "at most 100, and begin with a letter or digit; name the model with --name"
        )
    return name


def rollback_target(champion: ModelVersion, previous: ModelVersion | None) -> int | None:
    """Return the version number that a rollback makes the champion; None without one.

    It is the version of the alias ``previous``. If a crashed promotion left both aliases on one
    version, it is the version in the champion's tag ``REPLACED``.
    """
    if previous is not None and previous.version != champion.version:
        return previous.version
    replaced = champion.tags.get(REPLACED, "")
    return int(replaced) if replaced.isdigit() and int(replaced) != champion.version else None
