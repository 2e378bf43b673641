"""Height and width of images as one value."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resolution:
    """Height and width, in pixels, of the images of training, validation and latency."""

    height: int
    width: int

    def __post_init__(self) -> None:
        if not (self.height > 0 and self.width > 0):
            raise ValueError(f"a resolution needs positive sides, got {self.height}x{self.width}")

    @classmethod
    def parse(cls, value: object) -> Resolution:
        """Return the resolution of ``224``, ``"224"``, ``"96x128"`` or ``[96, 128]``.

        One number is the side of a square; of two, the first is the height.

        Raises:
            ValueError: ``value`` is none of these.
        """
        if isinstance(value, Resolution):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return cls(value, value)
        text = value
        if isinstance(value, list | tuple) and len(value) == 2:
            text = f"{value[0]}x{value[1]}"
        match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(
                f"{value!r} is no resolution; give HEIGHTxWIDTH such as 96x128, or one number"
            )
        return cls(int(match[1]), int(match[2] or match[1]))

    def divides_by(self, stride: int) -> bool:
        """Whether both sides are multiples of ``stride``."""
        return self.height % stride == 0 and self.width % stride == 0

    def nearest(self, stride: int) -> tuple[Resolution, ...]:
        """Return the next smaller and the next larger multiple of ``stride``.

        Only the larger one if the smaller would have a side of 0; the resolution itself if it is a
        multiple already.
        """
        down = (self.height // stride * stride, self.width // stride * stride)
        up = (-(-self.height // stride) * stride, -(-self.width // stride) * stride)
        sides = (down, up) if min(down) > 0 and down != up else (up,)
        return tuple(Resolution(height, width) for height, width in sides)

    def __str__(self) -> str:
        """Return ``HEIGHTxWIDTH``, as ``parse`` reads it."""
        return f"{self.height}x{self.width}"
