"""The Cityscapes ids of the classes in generated scenes."""

from __future__ import annotations

EGO_VEHICLE = 1
ROAD = 7
SIDEWALK = 8
BUILDING = 11
POLE = 17
TRAFFIC_SIGN = 20
VEGETATION = 21
TERRAIN = 22
SKY = 23
PERSON = 24
CAR = 26

CLASS_NAMES: tuple[str, ...] = (
    "road",
    "sidewalk",
    "building",
    "pole",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "car",
)
"""Cityscapes' names of these classes, by training id."""
