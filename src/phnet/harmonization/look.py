"""One picture's correction as a file, for a series or for a later version of the picture.

The file is JSON: the field of color maps that was applied (or the one table), packed, and a small
mask. Where the person of another picture covers much the same place, the field is applied as it is;
elsewhere its mean over the person is, one map for the whole person.
"""

import base64
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from phnet.errors import BadInput, BadOption
from phnet.files import json_of, write_text
from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.field import Field
from phnet.harmonization.lut3d import Lut
from phnet.images.arrays import Floats

VERSION = 1
MASK_SIDE = 32  # pixels, of the mask that is kept
SAME_PLACE = 0.8  # intersection over union of masks from which the person is at the same place
LARGEST_FILE = 16 << 20  # bytes
LARGEST_SIDE = 512  # places a side
LARGEST_VALUE = 64.0


@dataclass(frozen=True)
class Look:
    """A correction of colors, and where it was made."""

    colors: ColorMap
    mask: Floats  # (MASK_SIDE, MASK_SIDE) in [0, 1]

    def map_for(self, mask: Floats) -> ColorMap:
        """The map of colors for a picture whose person is at ``mask`` (H, W)."""
        if not isinstance(self.colors, Field):
            return self.colors
        here = small_mask(mask)
        union = float(np.maximum(here, self.mask).sum())
        if union and float(np.minimum(here, self.mask).sum()) >= SAME_PLACE * union:
            return self.colors
        coefficients = self.colors.coefficients
        size = coefficients.shape[2], coefficients.shape[1]
        weight = cv2.resize(self.mask, size, interpolation=cv2.INTER_LINEAR) ** 2 + 1e-6
        mean = (coefficients * weight).sum((1, 2)) / weight.sum()
        return Field(np.asarray(mean, np.float32).reshape(12, 1, 1))


def look_of(colors: ColorMap, mask: Floats) -> Look:
    """The look that was applied under a mask (H, W).

    Raises:
        BadInput: the map is no field and no table.
    """
    if not isinstance(colors, Field | Lut):
        raise BadInput(
            "save_look: expected a field or a table of colors, got the network's pixels; "
            "choose another way to full size (lift)"
        )
    return Look(colors, small_mask(mask))


def check_alone(look: object, reference: object) -> None:
    """Refuse a reference beside a look, which would do nothing.

    Raises:
        BadOption: both are there.
    """
    if look is not None and reference is not None:
        raise BadOption(
            "reference: expected no look beside it, which has its light already; leave one out"
        )


def small_mask(mask: Floats) -> Floats:
    """A mask (H, W) as (MASK_SIDE, MASK_SIDE)."""
    made = cv2.resize(mask, (MASK_SIDE, MASK_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(made, 0, 1), np.float32)


def write_look(path: str | os.PathLike[str], look: Look) -> None:
    """Write a look.

    Raises:
        BadOutput: the place cannot be written.
    """
    write_text(path, look_text(look))


def look_text(look: Look) -> str:
    """The content of a look's file."""
    kept: dict[str, Any] = {"phnet_look": VERSION, "mask": _packed(look.mask)}
    if isinstance(look.colors, Field):
        kept["field"] = _packed(look.colors.coefficients)
        if look.colors.detail is not None:
            kept["detail"] = _packed(look.colors.detail)
    elif isinstance(look.colors, Lut):
        kept["table"] = _packed(look.colors.table)
    return json.dumps(kept, indent=1) + "\n"


def read_look(path: str | os.PathLike[str] | bytes, name: str = "look") -> Look:
    """Read a look, from a file or its bytes; ``name`` is what bytes are called in sentences.

    Raises:
        BadInput: it is none; says why.
    """
    try:
        if not isinstance(path, bytes):
            name = str(path)
            if Path(path).stat().st_size > LARGEST_FILE:
                raise ValueError(f"a file of more than {LARGEST_FILE >> 20} MiB")
            path = Path(path).read_bytes()
        if len(path) > LARGEST_FILE:
            raise ValueError(f"more than {LARGEST_FILE >> 20} MiB")
        kept = json_of(path, LARGEST_FILE)
        if not isinstance(kept, dict) or kept.get("phnet_look") != VERSION:
            raise ValueError("another kind of file")
        mask = _unpacked(kept["mask"], (MASK_SIDE, MASK_SIDE))
        if "table" in kept:
            side = _side(kept["table"], 0)
            return Look(Lut(_unpacked(kept["table"], (side, side, side, 3))), mask)
        rows, columns = _side(kept["field"], 1), _side(kept["field"], 2)
        field = _unpacked(kept["field"], (12, rows, columns))
        detail = _unpacked(kept["detail"], (rows, columns)) if "detail" in kept else None
        return Look(Field(field, detail), mask)
    except OSError as error:
        raise BadInput(
            f"{name}: expected a look, but it cannot be read ({error.strerror})"
        ) from error
    except (ValueError, KeyError, TypeError, IndexError, zlib.error, RecursionError) as error:
        reason = f"found none in it ({error})" if str(error) else "found none in it"
        raise BadInput(f"{name}: expected a look as it is saved, {reason}") from error


def _packed(values: Floats) -> dict[str, Any]:
    content = zlib.compress(np.ascontiguousarray(values, "<f2").tobytes(), 9)
    return {"shape": list(values.shape), "float16": base64.b64encode(content).decode()}


def _side(packed: Any, axis: int) -> int:
    side = packed["shape"][axis]
    if not isinstance(side, int) or not 1 <= side <= LARGEST_SIDE:
        raise ValueError(f"a side of {side!r}")
    return side


def _unpacked(packed: Any, shape: tuple[int, ...]) -> Floats:
    if list(packed["shape"]) != list(shape):
        raise ValueError(f"a shape of {packed['shape']!r:.40}")
    size = 2 * int(np.prod(shape))
    content = zlib.decompressobj().decompress(base64.b64decode(packed["float16"]), size + 1)
    if len(content) != size:
        raise ValueError("another number of values than its shape says")
    values = np.frombuffer(content, "<f2").astype(np.float32).reshape(shape)
    if not (np.abs(values) <= LARGEST_VALUE).all():  # true for NaN as well
        raise ValueError("a value out of range")
    return values
