"""Photoshop files: the background, the person as pasted and the person harmonized, as layers.

Both persons have the mask as their layer mask, so that it can be painted on there. Written by
psd-tools (extra ``psd``); a PSD that is read is taken flat, as Pillow reads it.
"""

import io
from typing import Any

import numpy as np

from phnet.errors import BadOutput, MissingExtra
from phnet.images.arrays import FULL_SCALE, Floats, Pixels, strips, to_float, to_uint8

LONGEST_SIDE = 30000  # pixels, of the format
LAYERS = ("Background", "Original person", "Harmonized person")  # from the lowest up
LEAST = 0.5 / 255  # of a mask that is divided by


def library() -> Any:
    """psd-tools.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import psd_tools
    except ModuleNotFoundError as error:
        raise MissingExtra("psd", "writing PSD") from error
    return psd_tools


def psd_bytes(background: Pixels, original: Pixels, result: Pixels, mask: Floats) -> bytes:
    """The file, in sRGB without a profile.

    Args:
        background: (H, W, 3), uint8 or uint16.
        original: the composite before harmonization; the background itself where the composite is
            all there is.
        result: the harmonized composite.
        mask: (H, W) in [0, 1].

    Raises:
        MissingExtra: psd-tools is not installed.
        BadOutput: a side is longer than the format's 30000 pixels.
    """
    tools = library()
    from PIL import Image

    height, width = mask.shape
    if max(height, width) > LONGEST_SIDE:
        raise BadOutput(f"PSD: expected sides of at most {LONGEST_SIDE} pixels")
    depth = 16 if background.dtype == np.uint16 else 8
    document = tools.PSDImage.new("RGB", (width, height), depth=depth)
    opacity = Image.fromarray(to_uint8(mask))
    persons = [background, *(own_colors(one, background, mask) for one in (original, result))]
    for name, pixels in zip(LAYERS, persons, strict=True):
        layer = document.create_pixel_layer_from_array(np.ascontiguousarray(pixels), name=name)
        if name != LAYERS[0]:
            layer.create_mask(opacity)
    record = document._record  # the flat picture is ours: it needs no rendering of layers
    planes = [
        np.ascontiguousarray(result[..., c]).astype(result.dtype.newbyteorder(">")).tobytes()
        for c in range(3)
    ]
    record.image_data.set_data(planes, record.header)
    target = io.BytesIO()
    record.write(target)
    return target.getvalue()


def own_colors(mixed: Pixels, background: Pixels, mask: Floats) -> Pixels:
    """The person's colors that, blended by the mask over the background, give what is mixed.

    Where the mask is 0, or nothing is mixed in, they are the mixed picture's own.
    """
    made = mixed.copy()
    top = FULL_SCALE[mixed.dtype]
    for strip in strips((mask.shape[0], mask.shape[1])):
        share = mask[strip][..., None]
        soft = (share > LEAST) & (share < 1)
        if not soft.any():
            continue
        below = to_float(background[strip])
        own = below + (to_float(mixed[strip]) - below) / np.maximum(share, LEAST)
        levels = np.rint(np.clip(own, 0, 1) * top).astype(mixed.dtype)
        np.copyto(made[strip], levels, where=np.broadcast_to(soft, levels.shape))
    return made
