"""What a simulation returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedResult:
    """One simulated sweep."""

    hypervolume: float
    """Hypervolume at the end, where every trial counts with its best value so far; >= 0."""
    curve: tuple[tuple[float, float], ...]
    """(virtual seconds, hypervolume) at the start, whenever it grew, at the end."""
    started: int
    """Trials that were started."""
    completed: int
    """Trials trained to the last epoch."""
    stopped: int
    """Trials stopped before it by the scheduler."""
    virtual_seconds: float
    """Length of the sweep on the virtual clock, seconds."""
    utilization: float | None = None
    """Share of the lanes' time in which they trained, from when all had a trial to when nothing
    more could be started, [0, 1]; None where that never was."""
    bottleneck: str = ""
    """What lanes waited for most."""

    def hypervolume_at(self, seconds: float) -> float:
        """Return the hypervolume reached after so many virtual seconds."""
        return max((volume for when, volume in self.curve if when <= seconds), default=0.0)

    def seconds_to(self, hypervolume: float) -> float | None:
        """Return when ``hypervolume`` was first reached; None where it was not."""
        return next((when for when, volume in self.curve if volume >= hypervolume), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationResult:
    """The same sweep simulated with several seeds."""

    seeds: tuple[SeedResult, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain lists, numbers and texts: ``{"seeds": [{...}, ...]}``."""
        return {
            "seeds": [
                {**asdict(seed), "curve": [list(point) for point in seed.curve]}
                for seed in self.seeds
            ]
        }
