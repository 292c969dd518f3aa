"""Masks from whatever is handed in: what the values of a file, PIL image or array mean.

A mask is its alpha where that says something. Else, of two values, black is the background and
the other one the foreground, whatever it is (0/1, 0/2, one color on black); of a palette or of
colored ids, the one class besides the background. Soft grays stay as they are, and are scaled
only where their depth is beyond doubt.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from phnet.errors import BadMask
from phnet.images.arrays import Floats, Pixels, has_aspect, strips, to_uint8
from phnet.images.color_profiles import LUMA
from phnet.images.decoding import Source, decode, opened, source_of, upright
from phnet.images.mask_classes import (
    MOST_IDS,
    class_of,
    class_of_palette,
    colors_of,
    in_hex,
    named,
)
from phnet.images.metadata import exif_of
from phnet.images.opened_file import OpenedFile
from phnet.images.psd_file import PsdFile
from phnet.images.tiff import TiffPage

if TYPE_CHECKING:
    from PIL import Image

CLOSE = 3 / 255  # colors nearer than this are the same but for compression
FAINT = 0.25  # a few whole grays below this share of white are ids: softly they would do nothing
LARGEST_BESIDE_VOID = 64  # ids of at most this, of 255, beside white, which is "void" there
LEAST_OF_IDS = 0.005  # of the picture, that such ids must cover
MOST_LEVELS = 8  # of one color on black: as many levels as this, but more than one, may be ids
COMPRESSED = 0.25  # how far compression takes a color from its hue, of full scale
BAND = np.ones((5, 5), np.uint8)
WHITISH = 0.9  # a soft mask that is nowhere as white as this takes less than was meant, perhaps
CHOOSE = "; choose one (mask_class)"
FULL = 1 - 1.5 / 255  # taking this for 1 needs no word


@dataclass(frozen=True)
class Mask:
    """A mask as it was understood."""

    alpha: Floats  # (H, W) in [0, 1]
    note: str | None = None  # what was understood, where that was not obvious
    ids: Pixels | None = None  # (H, W): which person each pixel belongs to, 0 none; None: not told


def read_mask(
    mask: Any, name: str = "mask", wanted: str | None = None, *, several: bool = False
) -> Mask:
    """Turn whatever is handed in into a mask.

    Args:
        mask: a path, a :class:`Source`, bytes of a file, a PIL image, or an array: (H, W), or
            with channels (H, W, 1 to 4); integers, bools, or floats of 0 to 1 or 0 to 255.
        name: of a mask that is no file, for sentences about it.
        wanted: the class that is the foreground, by its number or color, as
            :attr:`phnet.options.MaskOptions.mask_class` names it; None: the only one.
        several: all classes of a palette are persons, each an id of its own.

    Raises:
        BadMask: unreadable, of an unknown kind, with several classes, or without the wanted one.
    """
    from PIL import Image

    if isinstance(mask, np.ndarray):
        return _understood(mask, name, wanted)
    if isinstance(mask, Image.Image):
        return _of_pil(mask, name, wanted, several)
    if isinstance(mask, bytes):
        mask = Source(name, mask)
    if isinstance(mask, str | os.PathLike | Source):
        return _of_file(source_of(mask), wanted, several)
    raise BadMask(f"{name}: expected a path, a PIL image or a numpy array, got {_kind(mask)}")


def turned(mask: Mask, size: tuple[int, int], orientation: int) -> Mask:
    """A mask that was painted on the photo as it is stored, turned upright with the photo.

    One whose aspect is that of the upright photo passes, as does one that has neither.

    Args:
        mask: as it was read.
        size: the upright photo's (H, W).
        orientation: the photo's, of EXIF.
    """
    shape, stored = mask.alpha.shape, size[::-1]
    if orientation < 5 or has_aspect(shape, size) or not has_aspect(shape, stored):
        return mask
    note = "has the shape of the photo as it is stored: it was turned upright with the photo"
    note = f"{mask.note}; it {note}" if mask.note else note
    return _upright(Mask(mask.alpha, note, mask.ids), orientation)


def _upright(mask: Mask, orientation: int) -> Mask:
    ids = None if mask.ids is None else upright(mask.ids, orientation)
    return Mask(upright(mask.alpha, orientation), mask.note, ids)


def load_mask(path: str | os.PathLike[str] | Source) -> Floats:
    """Read a mask's file as float32 (H, W) in [0, 1]; see :func:`read_mask`."""
    return read_mask(path).alpha


def _kind(value: object) -> str:
    return type(value).__name__


def _of_file(source: Source, wanted: str | None, several: bool) -> Mask:
    with opened(source, BadMask) as image:
        orientation = exif_of(image).orientation
        if image.mode == "P" and (wanted or several or "transparency" not in image.info):
            if isinstance(image, TiffPage | PsdFile):
                made = _of_indices(*image.indices(), str(source), wanted, several)
            else:
                assert not isinstance(image, OpenedFile)  # others of these have no palette
                image.load()
                made = _of_palette(image, str(source), wanted, several)
            return _upright(made, orientation)
        decoded = decode(image, source, BadMask, orientation)
    return _understood(decoded.values, str(source), wanted)


def _of_pil(image: "Image.Image", name: str, wanted: str | None, several: bool) -> Mask:
    if 0 in image.size:
        raise BadMask(f"{name}: expected a PIL image with pixels, got one of {image.size}")
    if image.mode == "P" and (wanted or several or "transparency" not in image.info):
        return _of_palette(image, name, wanted, several)
    if image.mode == "La":
        image = image.convert("LA")
    if "transparency" in image.info or image.mode in ("PA", "RGBa"):
        return _understood(np.asarray(image.convert("RGBA")), name, wanted)
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGB")
    return _understood(np.asarray(image), name, wanted)


def _understood(values: Pixels, name: str, wanted: str | None) -> Mask:
    """An array (H, W) or (H, W, C) as a mask."""
    if values.ndim not in (2, 3) or 0 in values.shape or (values.ndim == 3 and values.shape[2] > 4):
        raise BadMask(f"{name}: expected an array (H, W), got {values.shape}")
    if values.dtype.kind not in "buif":
        raise BadMask(f"{name}: expected integers, bools or floats, got {values.dtype}")
    if values.dtype.kind == "u" and values.dtype.byteorder == ">":
        values = values.astype(values.dtype.newbyteorder("="))
    if wanted:
        depth = _depth(float(values.max()), name, values.dtype)
        return Mask(class_of(values, wanted, depth, name))
    if values.ndim == 2:
        return _gray(values, name)
    if values.shape[2] in (2, 4):
        alpha = values[..., -1]
        if float(alpha.min()) < float(alpha.max()):  # one that is the same everywhere says nothing
            return _of_alpha(alpha, _depth(float(values.max()), name, values.dtype), name)
        values = values[..., :-1]
    if values.shape[2] == 1:
        return _gray(values[..., 0], name)
    return _colored(values, name)


def _depth(largest: float, name: str, dtype: "np.dtype[Any]") -> float:
    """The value that means 1, of a mask whose largest value is given."""
    if depth := _known_depth(largest, dtype):
        return depth
    raise BadMask(f"{name}: expected values of 0 to 1 or 0 to 255, got {dtype} up to {largest:g}")


def _known_depth(largest: float, dtype: "np.dtype[Any]") -> float | None:
    if dtype.kind == "b" or (dtype.kind == "f" and largest <= 1 + 1e-6):
        return 1
    if dtype == np.uint8 or (dtype.kind == "f" and largest <= 255):
        return 255
    if dtype == np.uint16:
        return 65535
    if dtype.kind in "iu" and largest <= 65535:
        return 255 if largest <= 255 else 65535
    return None


def _of_alpha(alpha: Pixels, depth: float, name: str) -> Mask:
    """An alpha (H, W) that is not the same everywhere; ``depth`` means opaque."""
    low, high = float(alpha.min()), float(alpha.max())
    if low == 0 < high < depth * FULL and _has_only(alpha, (0, high)):
        return _gray(alpha, name)
    return Mask(_shares(alpha, depth))


def _gray(values: Pixels, name: str) -> Mask:
    """One channel of any type: two values, ids, or soft grays."""
    low, high = float(values.min()), float(values.max())
    if not (low >= -1e-6 and np.isfinite(high)):  # true for NaN as well
        kind = "floats in [0, 1]" if values.dtype.kind == "f" else "values from 0"
        raise BadMask(f"{name}: expected {kind}, got {low:g} to {high:g}")
    if low < high and _has_only(values, (low, high)):
        depth = _known_depth(high, values.dtype)
        if not (depth and low / depth >= FULL):  # else it is white
            white = values > values.dtype.type(low)
            return Mask(white.astype(np.float32), _two_valued(low, high, depth))
    depth = _depth(high, name, values.dtype)
    if depth > 1 and high == 1:  # 1 everywhere
        return Mask(values.astype(np.float32))
    if low < high and (ids := _ids(values, depth)) is not None:
        found = ", ".join(f"{value:g}" for value in ids[:MOST_IDS])
        raise BadMask(f"{name}: expected one class besides the background, got ids {found}{CHOOSE}")
    note = None
    if depth == 65535 and high <= 255:
        depth, note = 255, "holds 8-bit values in 16 bits"
    if low < high < depth * WHITISH:
        faint = f"is nowhere white: at most {high / depth:.0%} of the change is taken"
        note = f"{note}; it {faint}" if note else faint
    return Mask(_shares(values, depth), note)


def _shares(values: Pixels, depth: float) -> Floats:
    """Values (H, W) as shares of ``depth``, in [0, 1]."""
    made: Floats = values.astype(np.float32)
    made /= np.float32(depth)
    return np.clip(made, 0, 1, out=made)


def _two_valued(low: float, high: float, depth: float | None) -> str | None:
    """Say what two values were taken for, where that is not obvious."""
    if low == 0 and depth and high / depth >= FULL:
        return None
    if (low, high) == (0, 1):
        return "its values 0 and 1 are background and person"
    return f"has two values: {low:g} was taken as background and {high:g} as full foreground"


def _ids(values: Pixels, depth: float) -> Pixels | None:
    """The ids besides 0 of one channel that cannot be meant softly; None: it can."""
    if depth == 1 or len(np.unique(values[::16, ::16])) > MOST_IDS + 1:
        return None
    ids, counts = np.unique(values, return_counts=True)
    high = float(ids[-1])
    if len(ids) > MOST_IDS + 1 or not np.array_equal(ids, np.rint(ids)):
        return None
    inner = (ids > 0) & (ids < 255)
    beside_void = (
        high == 255
        and bool(inner.any())
        and float(ids[inner].max()) <= LARGEST_BESIDE_VOID
        and float(counts[inner].sum()) >= LEAST_OF_IDS * values.size
    )
    of_objects = 255 < high < depth * FULL and bool((ids % 257).any())
    if high / (255 if high <= 255 else depth) < FAINT or beside_void or of_objects:
        return np.asarray(ids[ids > 0])
    return None


def _has_only(values: Pixels, allowed: tuple[float, float]) -> bool:
    """Tell whether there are only these two values, which are among them."""
    low, high = (values.dtype.type(value) for value in allowed)

    def holds(part: Pixels) -> bool:
        held = np.count_nonzero(part == low) + np.count_nonzero(part == high)
        return bool(held == part.size)

    return holds(values[::16, ::16]) and holds(values)


def _colored(values: Pixels, name: str) -> Mask:
    """Three channels: gray after all, one color on black, or ids."""
    first = values[..., 0]
    if np.array_equal(first, values[..., 1]) and np.array_equal(first, values[..., 2]):
        return _gray(first, name)
    depth = _depth(float(values.max()), name, values.dtype)
    highest, spread = _highest(values, depth)
    if spread <= CLOSE:  # gray but for a JPEG's rounding
        return Mask(_brightness(values, depth))
    if (one := _one_color(values, depth, highest)) is not None:
        return one
    ids = colors_of(to_uint8(part) for _, part in _strips(values, depth))
    if len(ids) > MOST_IDS:
        note = "is a picture in color: its brightness was taken; one of its colors: mask_class"
        return Mask(_brightness(values, depth), note)
    found = ", ".join(in_hex(color) for color in ids if color.any())
    raise BadMask(
        f"{name}: expected one class besides the background, got the colors {found}{CHOOSE}"
    )


def _strips(values: Pixels, depth: float) -> Iterator[tuple[slice, Floats]]:
    """Rows of colors (H, W, 3), and those in [0, 1]: the whole would take much memory."""
    for rows in strips((values.shape[0], values.shape[1])):
        yield rows, values[rows].astype(np.float32) / np.float32(depth)


def _highest(values: Pixels, depth: float) -> tuple[Floats, float]:
    """The highest channel of each pixel, (H, W) in [0, 1], and how far channels are apart."""
    made, spread = np.empty(values.shape[:2], np.float32), 0.0
    for rows, part in _strips(values, depth):
        red, green, blue = cv2.split(part)
        made[rows] = np.maximum(np.maximum(red, green), blue)
        lowest = np.minimum(np.minimum(red, green), blue)
        spread = max(spread, float((made[rows] - lowest).max()))
    return made, spread


def _brightness(values: Pixels, depth: float) -> Floats:
    made = np.empty(values.shape[:2], np.float32)
    for rows, part in _strips(values, depth):
        made[rows] = part @ LUMA
    return made


def _off_hue(values: Pixels, depth: float, highest: Floats, peak: Floats) -> Floats:
    """Distance of each pixel's channels from a color's hue, (H, W)."""
    off, hue = np.zeros_like(highest), peak / peak.max()
    for rows, part in _strips(values, depth):
        for c, channel in enumerate(cv2.split(part)):
            np.maximum(off[rows], np.abs(channel - highest[rows] * hue[c]), out=off[rows])
    return off


def _one_color(values: Pixels, depth: float, highest: Floats) -> Mask | None:
    """One color on black, (H, W, 3), as a mask; ``highest`` of each pixel's channels, in [0, 1]."""
    scale = np.float32(depth)
    peak = values[np.unravel_index(int(highest.argmax()), highest.shape)].astype(np.float32) / scale
    off = _off_hue(values, depth, highest, peak)
    if float(off.max()) <= CLOSE:
        levels = cv2.calcHist([np.rint(highest * 255)], [0], None, [256], [0, 256])[1:]
        if 2 <= int((levels > 0).sum()) <= MOST_LEVELS:
            return None
    else:  # compressed, perhaps: its hue is that of the middle of what is bright
        bright = highest > peak.max() / 2
        peak = np.median(values[bright], axis=0).astype(np.float32) / scale
        if not peak.any():
            return None
        off = _off_hue(values, depth, highest, peak)
        other = np.asarray(off > COMPRESSED * peak.max(), np.uint8)
        if cv2.erode(other, BAND).any():  # more than what compression leaves along an edge
            return None
        if float(off[highest > peak.max() / 2].mean()) > COMPRESSED / 4 * peak.max():
            return None
    note = f"is one color, {in_hex(peak * 255)}, on black: taken as the foreground"
    return Mask(np.asarray(np.clip(highest / peak.max(), 0, 1), np.float32), note)


def _of_palette(image: "Image.Image", name: str, wanted: str | None, several: bool) -> Mask:
    """Indices with a palette: black, else index 0, is the background."""
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return _of_indices(np.asarray(image), palette, name, wanted, several)


def _of_indices(
    indices: Pixels, palette: Pixels, name: str, wanted: str | None, several: bool
) -> Mask:
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    if used[-1] >= len(palette):
        raise BadMask(f"{name}: expected indices below {len(palette)}, got {used[-1]}")
    if wanted:
        return Mask(class_of_palette(indices, palette, wanted, name))
    colors = palette[used]
    if (colors == colors[:, :1]).all():  # a gray picture that is stored with a palette
        return _gray(palette[indices][..., 0], name)
    dark = {int(index) for index in used if not palette[index].any()} or {0}
    classes = [int(index) for index in used if int(index) not in dark]
    if len(classes) == 1:
        note = f"has a palette: class {classes[0]}, {in_hex(palette[classes[0]])}, was taken"
        return Mask(np.asarray(indices == classes[0], np.float32), note)
    if several and 1 < len(classes) <= MOST_IDS:
        ids = np.where(np.isin(indices, classes), indices, 0)
        return Mask(np.asarray(ids > 0, np.float32), f"has {len(classes)} persons by its ids", ids)
    if len(classes) > MOST_IDS:
        return _colored(palette[indices], name)
    if len(classes) > MOST_LEVELS:
        shades = palette[indices]
        if (one := _one_color(shades, 255, _highest(shades, 255)[0])) is not None:
            return one
    found = named(palette, classes)
    raise BadMask(
        f"{name}: expected one class besides the background, got {found}"
        + (CHOOSE if classes else "")
    )
