"""Layout ``ade20k``: the scene parsing data set with 150 classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.layouts.base import find_split, renamed, require_root
from trainables.data.layouts.pairing import pair_folders, pair_splits, paired_layout
from trainables.data.masks.labels import LabelMap

if TYPE_CHECKING:
    from trainables.config import DataConfig
    from trainables.data.layouts.base import Layout

_BASE = "ADEChallengeData2016"
_NAMES = """
wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person,
earth, door, table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea,
mirror, rug, field, armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion,
base, box, column, signboard, chest of drawers, counter, sand, sink, skyscraper, fireplace,
refrigerator, grandstand, path, stairs, runway, case, pool table, pillow, screen door, stairway,
river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill, bench, countertop, stove,
palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel, light,
truck, tower, chandelier, awning, streetlight, booth, television, airplane, dirt track, apparel,
pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain,
conveyor belt, canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent,
bag, minibike, cradle, oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle,
lake, dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan,
pier, crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock, flag
"""
CLASS_NAMES: tuple[str, ...] = tuple(" ".join(_NAMES.split()).split(", "))
"""Short names by training id; mask value ``i + 1`` is ``CLASS_NAMES[i]``."""


def open_ade20k(config: DataConfig) -> Layout:
    """Return the samples of ``ADEChallengeData2016``, which is the root or lies below it.

    Mask value 0 (other objects) is ignored; 1 to 150 become training ids 0 to 149.

    Raises:
        DataError: every missing setting, missing folder or empty split, together.
    """
    root = Path(require_root(config))
    base = root / _BASE if (root / _BASE).is_dir() else root
    allowed = ("training", "validation")
    folders = []
    for setting in ("train_split", "val_split"):
        name = find_split(getattr(config, setting), allowed, setting)
        folders.append((base / "images" / name, base / "annotations" / name))
    remedy = f"set data.root to the folder that holds {_BASE}"
    splits = pair_splits(folders, remedy, pair_folders)
    labels = LabelMap.of({i + 1: i for i in range(len(CLASS_NAMES))}, ignored=(0,))
    return paired_layout(config, root, renamed(config, CLASS_NAMES), labels, *splits)
