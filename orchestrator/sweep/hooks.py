"""How the caller of a run follows and steers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.sweep.sweep import SweepListener


@dataclass(frozen=True, kw_only=True, slots=True)
class RunHooks:
    """How the caller of a run follows and steers it."""

    stage: Callable[[str], None] = lambda _: None
    """Told in a few words what is being done now."""
    warn: Callable[[str], None] = lambda _: None
    """Receives each warning of the data check, a line."""
    stop_requested: Callable[[], bool] = lambda: False
    """Asked often whether the sweep is to end early."""
    listeners: tuple[SweepListener, ...] = ()
    """Told every event, those of an earlier run first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSummary:
    """How a run of a sweep ended."""

    interrupted: bool
    """Whether trials or proposals remain for ``resume``."""
    lane_faults: tuple[str, ...] = ()
    """Why lanes died, oldest first."""
    problems: tuple[str, ...] = ()
    """Examinations after the search that failed, each with its reason."""
    trouble: str | None = None
    """What of disk, lanes or Ray ended the run early; None where nothing did."""
