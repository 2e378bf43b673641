"""Versions of registered models as values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CHAMPION, PREVIOUS = "champion", "previous"
"""Alias of the version in use, alias of the one that it replaced."""

STATE = "promotion.state"
"""``candidate`` while it is examined, then ``promoted``, ``refused`` or ``abandoned``."""
BY, AT = "promotion.by", "promotion.at"
RULE, REASON = "promotion.rule", "promotion.reason"
REPLACED = "promotion.replaced"
"""Version that was the champion before this one."""
REFUSED_BY = "promotion.refused_by"
"""Gates that refused it, parted by commas."""
SWEEP, TRIAL = "sweep.id", "trial.id"
DATASET = "dataset.digest"
PROGRAM = "program.sha256"
MODEL = "model.id"
"""Logged model that holds the version's files, which MLflow's own answer may leave out."""
GATE_PREFIX, FIGURE_PREFIX = "gate.", "figure."
SHOWN = ("miou", "test_miou", "latency_ms", "flops", "params", "size_mb")
"""Figures that a version is described by."""


class UnknownModelError(ValueError):
    """There is no such model, or no such version of it."""


class ModelNameError(ValueError):
    """A name that no model can be registered under."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelVersion:
    """One version of a registered model."""

    name: str
    """Name of the registered model."""
    version: int
    """Number of the version, from 1."""
    aliases: tuple[str, ...] = ()
    """Aliases that point to it."""
    created_ms: int = 0
    """When it was registered, milliseconds since 1970."""
    run_id: str | None = None
    """Run of the trial it comes from; None where that is not known."""
    model_id: str | None = None
    """MLflow's logged model that holds its files."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Its tags."""

    @property
    def figures(self) -> dict[str, float]:
        """Figures found when it was examined, by metric."""
        found = {}
        for key, value in self.tags.items():
            if key.startswith(FIGURE_PREFIX):
                found[key.removeprefix(FIGURE_PREFIX)] = float(value)
        return found

    @property
    def when(self) -> str:
        """When it was promoted or refused, in words."""
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
    """Which version of which model is meant."""

    name: str
    """Name of the registered model."""
    alias: str | None = CHAMPION
    """Alias of the version; None where the number is given."""
    version: int | None = None
    """Number of the version; None where an alias is given."""

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Read ``NAME``, ``NAME@ALIAS`` or ``NAME/VERSION``, each also after ``models:/``.

        Raises:
            UnknownModelError: the text is none of these.
        """
        match = re.fullmatch(r"([^/:@]+)(?:@([\w-]+)|/(\d+))?", text.removeprefix("models:/"))
        if match is None:
            raise UnknownModelError(
                f"{text!r} names no model; write NAME@champion, NAME@previous or NAME/VERSION"
            )
        if match[3]:
            return cls(match[1], None, int(match[3]))
        return cls(match[1], match[2] or CHAMPION)

    def __str__(self) -> str:
        return (
            f"{self.name}@{self.alias}" if self.version is None else f"{self.name}/{self.version}"
        )


def check_name(name: str) -> str:
    """Return ``name`` where a model can be registered under it.

    Raises:
        ModelNameError: it is empty or has a character that stands for something in a reference.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w. -]{0,99}", name):
        raise ModelNameError(
            f"{name!r} cannot name a model; use letters, digits, '.', '_', '-' and spaces, "
            "at most 100, and begin with a letter or digit; name the model with --name"
        )
    return name


def rollback_target(champion: ModelVersion, previous: ModelVersion | None) -> int | None:
    """Return the version that a rollback makes champion; None where there is none.

    It is the one with the alias ``previous``, else what the champion says it replaced: a promotion
    that died between its two alias moves leaves both aliases on one version.
    """
    if previous is not None and previous.version != champion.version:
        return previous.version
    replaced = champion.tags.get(REPLACED, "")
    return int(replaced) if replaced.isdigit() and int(replaced) != champion.version else None
