"""The setting ``data.class_colors``: the colour of each class in masks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainables.data.faults import setting_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainables.config import DataConfig
    from trainables.data.faults import Fault

_HEX = re.compile(r"#[0-9a-f]{6}")
_VOID = re.compile(
    r"(?:^|[\W_])(?:void|ignored?|unlabell?ed|unknown|undefined|unclassified|background|bg|others?"
    r"|none|nothing|null|misc|rest|blank|empty|outside|do ?n.?t ?care|no ?data|no ?label)"
    r"(?:$|[\W_\d])|^\W*$|^_|^n/?a$"
)


def is_void(name: str) -> bool:
    """Whether ``name`` is a usual name for ignored pixels, such as ``void`` or ``unlabeled``."""
    return _VOID.search(name.strip().casefold()) is not None


def color_text(value: object) -> str:
    """Return a colour, given as ``#rrggbb`` or three numbers from 0 to 255, as ``#rrggbb``.

    Raises:
        ValueError: ``value`` is not a colour.
    """
    if isinstance(value, str) and _HEX.fullmatch(value.lower()):
        return value.lower()
    if (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(type(part) is int and 0 <= part <= 255 for part in value)
    ):
        return "#{:02x}{:02x}{:02x}".format(*value)
    raise ValueError(f"a colour is [R, G, B] of 0 to 255 or '#rrggbb' in quotes, got {value!r}")


def color_code(text: str) -> int:
    """Return ``#rrggbb`` as a number with red in the lowest byte, as pixels lie in memory."""
    return int.from_bytes(bytes.fromhex(text[1:]), "little")


def code_text(code: int) -> str:
    """Return the ``#rrggbb`` of a colour code."""
    return f"#{code.to_bytes(3, 'little').hex()}"


def color_labels(config: DataConfig) -> tuple[tuple[int, int], ...]:
    """Return ``(colour code, raw label)`` of every colour, in order; empty without the setting.

    The raw label of a class is its position in ``class_names``; that of another name, such as
    ``void``, is ``ignore_index``.
    """
    names = list(config.class_names or ())
    colors: Mapping[str, str] = config.class_colors or {}
    return tuple(
        (color_code(color), names.index(name) if name in names else config.ignore_index)
        for name, color in colors.items()
    )


def class_color_faults(config: DataConfig) -> list[Fault]:
    """Return all faults of the setting."""
    colors, names = config.class_colors, config.class_names or ()
    if colors is None:
        return []
    if config.format != "folder":
        what = f"is for format 'folder'; format {config.format!r} has fixed labels"
        return [_fault(what, "leave it out")]
    faults = []
    for name, color in colors.items():
        try:
            color_text(color)
        except ValueError as error:
            faults.append(_fault(f"of {name!r}: {error}", "correct it"))
    unknown = [name for name in colors if name not in names and not is_void(name)]
    if unknown:
        what = f"names {', '.join(map(repr, unknown))}, not among data.class_names"
        remedy = f"known are {', '.join(names)}; name a colour to ignore 'void'"
        faults.append(_fault(what, remedy))
    missing = [n for i, n in enumerate(names) if n not in colors and i != config.ignore_index]
    if missing:
        what = f"has no colour for {', '.join(map(repr, missing))}"
        faults.append(_fault(what, "give every class a colour"))
    twice = sorted({c for c in colors.values() if list(colors.values()).count(c) > 1})
    for color in twice:
        same = [name for name, other in colors.items() if other == color]
        what = f"gives {color} to {', '.join(map(repr, same))}"
        faults.append(_fault(what, "give every name its own colour"))
    return faults


def _fault(what: str, remedy: str) -> Fault:
    return setting_fault("class_colors", what, remedy)
