"""Objectives: metrics with the direction in which they get better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["minimize", "maximize"]


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric and the direction in which it gets better."""

    name: str
    direction: Direction
