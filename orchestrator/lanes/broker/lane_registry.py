"""The lanes of a sweep: location, devices, current trial and completed trials."""

from __future__ import annotations

from collections import Counter


class LaneRegistry:
    """Records which lanes are up, which trial each runs and which are excluded.

    A lane that holds a banned device is excluded: it stays up, so that no other lane gets the
    device, and receives no trial.
    """

    def __init__(self) -> None:
        self._locations: dict[str, dict[str, object]] = {}
        self._banned: dict[str, str] = {}
        self._expected: int | None = None
        self._trials: dict[str, str] = {}
        self._capacities: dict[str, float | None] = {}
        self._ended: Counter[str] = Counter()

    def announce(self, lane: str, location: dict[str, object]) -> None:
        """Record that ``lane`` is up at ``location``, a mapping with ``node`` and ``gpus``."""
        self._locations[lane] = location

    def remove(self, lane: str) -> str | None:
        """Record that ``lane`` is down; return the trial that it ran."""
        self._locations.pop(lane, None)
        return self._trials.pop(lane, None)

    def expect(self, lanes: int) -> None:
        """Set the number of lanes that the sweep has or waits for."""
        self._expected = lanes

    def ban(self, devices: dict[str, str]) -> list[str]:
        """Ban devices, given as identity to reason; return the trials on excluded lanes."""
        self._banned.update(devices)
        return [
            trial_id for lane, trial_id in self._trials.items() if self.exclusion(lane) is not None
        ]

    def exclusion(self, lane: str) -> str | None:
        """Return why the lane receives no trial; None where it may."""
        devices = self._locations.get(lane, {}).get("gpus")
        if not isinstance(devices, list):
            return None
        return next((self._banned[device] for device in devices if device in self._banned), None)

    def exhaustion(self) -> str | None:
        """Return why no lane can run a trial; None while one can, or one is still expected."""
        reasons = [reason for lane in self._locations if (reason := self.exclusion(lane))]
        if self._expected is None or not 0 < self._expected <= len(reasons):
            return None
        return f"the device of every lane is banned: {'; '.join(sorted(set(reasons)))}"

    def assign(self, lane: str, trial_id: str, capacity_mb: float | None) -> None:
        """Record that ``lane``, with so much device memory in MB, runs the trial."""
        self._trials[lane] = trial_id
        self._capacities[lane] = capacity_mb

    def trial_on(self, lane: str) -> str | None:
        """Return the trial that the lane runs."""
        return self._trials.get(lane)

    def end_trial(self, lane: str) -> None:
        """Record that the lane's trial ended."""
        del self._trials[lane]
        self._ended[lane] += 1

    def ended_on(self, lane: str) -> int:
        """Return how many trials ended on the lane."""
        return self._ended[lane]

    def capacity_mb(self, lane: str) -> float | None:
        """Return the device memory of the lane, MB; None where it is not limited."""
        return self._capacities.get(lane)

    def rows(self) -> list[dict[str, object]]:
        """Return each lane that is up: name, location, trial or None, ``out`` with the reason."""
        return [
            {"lane": lane, **location, "trial": self.trial_on(lane), "out": self.exclusion(lane)}
            for lane, location in sorted(self._locations.items())
        ]
