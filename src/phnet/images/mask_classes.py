"""One class of a mask that has several, by its number or its color."""

from collections.abc import Iterable

import numpy as np

from phnet.errors import MissingClass
from phnet.images.arrays import Floats, Pixels, strips

MOST_IDS = 32  # colors that can be ids of classes; more are a picture
AS_COMPRESSED = 32  # levels of 255 that a color may be off where a picture was compressed
MOST_NAMED = 40  # classes in a sentence


def class_of(values: Pixels, wanted: str, depth: float, name: str) -> Floats:
    """Mask of a value or color in an array (H, W) or (H, W, C), as 0 and 1.

    Args:
        values: integers, bools or floats.
        wanted: a gray value as it stands in the array, or six hexadecimal digits.
        depth: the value that means white.
        name: of the mask, for sentences.

    Raises:
        MissingClass: no pixel has it; says what is there.
    """
    if values.ndim == 3:
        values = values[..., :3] if values.shape[2] > 2 else values[..., 0]
        if values.ndim == 3 and (values == values[..., :1]).all():
            values = values[..., 0]
    is_number = _is_number(wanted)
    if values.ndim == 2:
        value = float(wanted) if is_number else _gray_of(wanted) / 255 * depth
        inside = np.abs(values.astype(np.float32) - value) < 1e-3 * max(1, depth / 255)
        found = [f"{level:g}" for level in np.unique(values)[: MOST_NAMED + 1]]
        return _checked(inside, wanted, "the values ", found, name)
    levels = np.rint(values * np.float32(255 / depth)).astype(np.uint8)
    colors = colors_of(levels[rows] for rows in strips((levels.shape[0], levels.shape[1])))
    found = [in_hex(color) for color in colors[: MOST_NAMED + 1]]
    if is_number:
        return _checked(np.zeros(levels.shape[:2], bool), wanted, "the colors ", found, name)
    off = np.abs(levels.astype(np.int16) - _rgb(wanted)).max(-1)
    # Edges of a picture that was compressed or smoothed go over to the colors beside it.
    inside = off <= (AS_COMPRESSED if len(colors) > MOST_IDS else 1)
    return _checked(inside, wanted, "the colors ", found, name)


def colors_of(parts: Iterable[Pixels]) -> Pixels:
    """The colors that occur among uint8 parts (H, W, 3), ascending, (N, 3)."""
    seen = np.zeros(1 << 24, bool)
    for part in parts:
        red, green, blue = part.reshape(-1, 3).T.astype(np.uint32)
        seen[red << 16 | green << 8 | blue] = True
    codes = np.flatnonzero(seen)
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], 1).astype(np.uint8)


def class_of_palette(indices: Pixels, palette: Pixels, wanted: str, name: str) -> Floats:
    """Mask of a number, or of a color in ``palette`` (N, 3), uint8, among indices (H, W).

    Raises:
        MissingClass: no pixel has it; says what is there.
    """
    chosen = [int(wanted)] if _is_number(wanted) else []
    if not chosen:
        chosen = [int(i) for i in np.flatnonzero((palette == _rgb(wanted)).all(-1))]
    used = [int(index) for index in np.unique(indices)]
    inside = np.isin(indices, chosen)
    return _checked(inside, wanted, "", [named(palette, [index]) for index in used], name)


def named(palette: Pixels, classes: list[int]) -> str:
    """Classes of a palette with their colors, for a sentence."""
    return ", ".join(f"{index} ({in_hex(palette[index])})" for index in classes) or "none"


def in_hex(color: Pixels) -> str:
    """A color (3,) of 0 to 255, for a sentence."""
    return "#" + "".join(f"{round(float(value)):02x}" for value in color)


def _checked(inside: Pixels, wanted: str, kind: str, found: list[str], name: str) -> Floats:
    if not inside.any():
        more = [*found[:MOST_NAMED], "..."] if len(found) > MOST_NAMED else found
        raise MissingClass(
            f"{name}: expected the class {wanted} (mask_class), got {kind}{', '.join(more)}"
        )
    return np.asarray(inside, np.float32)


def _is_number(wanted: str) -> bool:
    return wanted.isdigit() and len(wanted) < 6


def _rgb(wanted: str) -> Pixels:
    return np.array(list(bytes.fromhex(wanted.removeprefix("#"))), np.int16)


def _gray_of(wanted: str) -> float:
    """A gray color's level of 255; that of no pixel where it is not gray."""
    red, green, blue = (int(level) for level in _rgb(wanted))
    return red if red == green == blue else -1
