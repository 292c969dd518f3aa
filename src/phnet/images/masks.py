"""Masks from whatever is handed in: what the values of a file, PIL image or array mean.

A mask is its alpha where that says something. Else, of two values, black is the background and
the other one the foreground, whatever it is (0/1, 0/2, one color on black); of a palette or of
colored ids, the one class besides the background. Soft grays stay as they are, and are scaled
only where their depth is beyond doubt.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from phnet.errors import BadMask
from phnet.images.arrays import Floats, Pixels, has_aspect, to_float, to_uint8
from phnet.images.color_profiles import LUMA
from phnet.images.decoding import Source, decode, opened, source_of, upright
from phnet.images.mask_classes import MOST_IDS, class_of, class_of_palette, in_hex, named
from phnet.images.metadata import exif_of
from phnet.images.tiff import TiffPage

if TYPE_CHECKING:
    from PIL import Image

CLOSE = 3 / 255  # colors nearer than this are the same but for compression
LARGEST_ID = 16  # grays of at most this, of 255, are ids: as a soft mask they would do nothing
CHOOSE = "; choose one (mask_class)"
FULL = 1 - 1.5 / 255  # taking this for 1 needs no word


@dataclass(frozen=True)
class Mask:
    """A mask as it was understood."""

    alpha: Floats  # (H, W) in [0, 1]
    note: str | None = None  # what was understood, where that was not obvious


def read_mask(mask: Any, name: str = "mask", wanted: str | None = None) -> Mask:
    """Turn whatever is handed in into a mask.

    Args:
        mask: a path, a :class:`Source`, bytes of a file, a PIL image, or an array: (H, W), or
            with channels (H, W, 1 to 4); integers, bools, or floats of 0 to 1 or 0 to 255.
        name: of a mask that is no file, for sentences about it.
        wanted: the class that is the foreground, by its number or color, as
            :attr:`phnet.options.MaskOptions.mask_class` names it; None: the only one.

    Raises:
        BadMask: unreadable, of an unknown kind, with several classes, or without the wanted one.
    """
    from PIL import Image

    if isinstance(mask, np.ndarray):
        return _understood(mask, name, wanted)
    if isinstance(mask, Image.Image):
        return _of_pil(mask, name, wanted)
    if isinstance(mask, bytes):
        mask = Source(name, mask)
    if isinstance(mask, str | os.PathLike | Source):
        return _of_file(source_of(mask), wanted)
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
    return Mask(upright(mask.alpha, orientation), note)


def load_mask(path: str | os.PathLike[str] | Source) -> Floats:
    """Read a mask's file as float32 (H, W) in [0, 1]; see :func:`read_mask`."""
    return read_mask(path).alpha


def _kind(value: object) -> str:
    return type(value).__name__


def _of_file(source: Source, wanted: str | None) -> Mask:
    with opened(source, BadMask) as image:
        orientation = exif_of(image).orientation
        if image.mode == "P" and (wanted or "transparency" not in image.info):
            if isinstance(image, TiffPage):
                made = _of_indices(*image.indices(), str(source), wanted)
            else:
                image.load()
                made = _of_palette(image, str(source), wanted)
            return Mask(upright(made.alpha, orientation), made.note)
        decoded = decode(image, source, BadMask, orientation)
    return _understood(decoded.values, str(source), wanted)


def _of_pil(image: "Image.Image", name: str, wanted: str | None) -> Mask:
    if 0 in image.size:
        raise BadMask(f"{name}: expected a PIL image with pixels, got one of {image.size}")
    if image.mode == "P" and (wanted or "transparency" not in image.info):
        return _of_palette(image, name, wanted)
    if "transparency" in image.info or image.mode in ("PA", "RGBa", "La"):
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
        depth = _depth(float(values.max()), name, values.dtype)
        if float(alpha.min()) < depth:  # opaque everywhere says nothing
            return Mask(np.asarray(alpha / np.float32(depth), np.float32))
        values = values[..., :-1]
    if values.shape[2] == 1:
        return _gray(values[..., 0], name)
    return _colored(values, name)


def _depth(largest: float, name: str, dtype: "np.dtype[Any]") -> float:
    """The value that means 1, of a mask whose largest value is given."""
    if dtype.kind == "b" or (dtype.kind == "f" and largest <= 1 + 1e-6):
        return 1
    if dtype == np.uint8 or (dtype.kind == "f" and largest <= 255):
        return 255
    if dtype == np.uint16:
        return 65535
    if dtype.kind in "iu" and largest <= 65535:
        return 255 if largest <= 255 else 65535
    raise BadMask(f"{name}: expected values of 0 to 1 or 0 to 255, got {dtype} up to {largest:g}")


def _gray(values: Pixels, name: str) -> Mask:
    """One channel of any type: two values, ids, or soft grays."""
    low, high = float(values.min()), float(values.max())
    if not (low >= -1e-6 and np.isfinite(high)):  # true for NaN as well
        kind = "floats in [0, 1]" if values.dtype.kind == "f" else "values from 0"
        raise BadMask(f"{name}: expected {kind}, got {low:g} to {high:g}")
    depth = _depth(high, name, values.dtype)
    if low == 0 < high and _has_only(values, (0, high)):
        alpha = np.asarray(values > 0, np.float32)
        if high / depth >= FULL or high == 1:
            note = None if high / depth >= FULL else "its values 0 and 1 are background and person"
        else:
            note = f"has two values: 0 was taken as background and {high:g} as full foreground"
        return Mask(alpha, note)
    if depth > 1 and high == 1:  # 1 everywhere
        return Mask(values.astype(np.float32))
    if depth > 1 and 1 < high <= LARGEST_ID and low < high:
        ids = np.unique(values)
        if np.array_equal(ids, np.rint(ids)):
            found = ", ".join(f"{value:g}" for value in ids if value)
            raise BadMask(
                f"{name}: expected one class besides the background, got ids {found}{CHOOSE}"
            )
    if depth == 65535 and high <= 255:
        return Mask(values.astype(np.float32) / np.float32(255), "holds 8-bit values in 16 bits")
    result = values.astype(np.float32)
    return Mask(np.clip(result if depth == 1 else result / np.float32(depth), 0, 1))


def _has_only(values: Pixels, allowed: tuple[float, float]) -> bool:
    def holds(part: Pixels) -> bool:
        return bool(((part == allowed[0]) | (part == allowed[1])).all())

    return holds(values[::16, ::16]) and holds(values)


def _colored(values: Pixels, name: str) -> Mask:
    """Three channels: gray after all, one color on black, or ids."""
    first = values[..., 0]
    if np.array_equal(first, values[..., 1]) and np.array_equal(first, values[..., 2]):
        return _gray(first, name)
    depth = _depth(float(values.max()), name, values.dtype)
    floats = to_float(values) if depth == 1 else values.astype(np.float32) / np.float32(depth)
    highest, lowest = floats.max(-1), floats.min(-1)
    if float((highest - lowest).max()) <= CLOSE:  # gray but for a JPEG's rounding
        return Mask(np.asarray(floats @ LUMA))
    peak = floats[np.unravel_index(int(highest.argmax()), highest.shape)]
    on_black = highest[..., None] * (peak / peak.max())
    if float(np.abs(floats - on_black).max()) <= CLOSE:
        levels = cv2.calcHist([np.rint(highest * 255)], [0], None, [256], [0, 256])[1:]
        if not 2 <= int((levels > 0).sum()) <= LARGEST_ID // 2:
            note = f"is one color, {in_hex(peak * 255)}, on black: taken as the foreground"
            return Mask(np.clip(highest / peak.max(), 0, 1), note)
    ids = np.unique(to_uint8(floats.reshape(-1, 3)), axis=0)
    if len(ids) > MOST_IDS:
        return Mask(np.asarray(floats @ LUMA))
    found = ", ".join(in_hex(color) for color in ids if color.any())
    raise BadMask(
        f"{name}: expected one class besides the background, got the colors {found}{CHOOSE}"
    )


def _of_palette(image: "Image.Image", name: str, wanted: str | None) -> Mask:
    """Indices with a palette: black, else index 0, is the background."""
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return _of_indices(np.asarray(image), palette, name, wanted)


def _of_indices(indices: Pixels, palette: Pixels, name: str, wanted: str | None) -> Mask:
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
    if len(classes) > MOST_IDS:
        return _colored(palette[indices], name)
    found = named(palette, classes)
    raise BadMask(
        f"{name}: expected one class besides the background, got {found}"
        + (CHOOSE if classes else "")
    )
