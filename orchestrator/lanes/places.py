"""Where the lanes are, which of them are out."""

from __future__ import annotations


class Places:
    """The lanes that are up, each with its place and devices; a lane on a banned device is out.

    An out lane is left up: it keeps the device from others.
    """

    def __init__(self) -> None:
        self._places: dict[str, dict[str, object]] = {}
        self._banned: dict[str, str] = {}
        self._expected: int | None = None

    def add(self, lane: str, place: dict[str, object]) -> None:
        """Take note that ``lane`` is up with where it is, such as its node."""
        self._places[lane] = place

    def remove(self, lane: str) -> None:
        """Take note that ``lane`` is no longer up."""
        self._places.pop(lane, None)

    def expect(self, lanes: int) -> None:
        """Take note that there are to be so many lanes."""
        self._expected = lanes

    def ban(self, devices: dict[str, str]) -> None:
        """Use the devices no more; ``devices`` says why of each, by its identity."""
        self._banned.update(devices)

    def out(self, lane: str) -> str | None:
        """Return why the lane gets no trial; None where it may."""
        devices = self._places.get(lane, {}).get("gpus")
        held = devices if isinstance(devices, list) else []
        return next((self._banned[each] for each in held if each in self._banned), None)

    @property
    def exhausted(self) -> str | None:
        """Why no lane is left for a trial; None while there is one, or may come."""
        reasons = [reason for lane in self._places if (reason := self.out(lane)) is not None]
        if self._expected is None or not 0 < self._expected <= len(reasons):
            return None
        return f"every lane's device is taken out: {'; '.join(sorted(set(reasons)))}"

    def rows(self) -> list[dict[str, object]]:
        """Return each lane that is up: its name, its place, why it is out or None."""
        return [
            {"lane": lane, **place, "out": self.out(lane)}
            for lane, place in sorted(self._places.items())
        ]
