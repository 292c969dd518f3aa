"""Photoshop files: the background, the person as pasted and the person harmonized, as layers.

Both persons have the mask as their layer mask, so that it can be painted on there. Where effects
are on, each step is a layer of its own instead of the harmonized person: of 16 bits, in the blend
mode "linear light", over the person as pasted. Written by psd-tools (extra ``psd``); a PSD that is
read is taken flat, see :mod:`phnet.images.psd_file`.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from phnet.errors import BadOutput, MissingExtra
from phnet.images.arrays import FULL_SCALE, Floats, Pixels, blend, strips, to_float, to_uint8

LONGEST_SIDE = 30000  # pixels, of the format
LAYERS = ("Background", "Original person", "Harmonized person")  # from the lowest up
NO_CHANGE = 32768  # of 65535, in a layer of a step
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


def psd_bytes(
    background: Pixels,
    original: Pixels,
    result: Pixels,
    mask: Floats,
    steps: Mapping[str, Pixels] | None = None,
) -> bytes:
    """The file, in sRGB without a profile.

    Args:
        background: (H, W, 3), uint8 or uint16.
        original: the composite before harmonization; the background itself where the composite is
            all there is.
        result: the harmonized composite.
        mask: (H, W) in [0, 1], above 0 wherever the result is not the background.
        steps: what each step changed, by its name and from the lowest up, uint16 (H, W, 3), for
            the blend mode "linear light" (see
            :class:`phnet.harmonization.finishing.finish.Layers`); none: the file has the
            background's depth, and the harmonized person as a layer.

    Raises:
        MissingExtra: psd-tools is not installed.
        BadOutput: a side is longer than the format's 30000 pixels.
    """
    tools = library()
    from PIL import Image

    height, width = mask.shape
    if max(height, width) > LONGEST_SIDE:
        raise BadOutput(f"PSD: expected sides of at most {LONGEST_SIDE} pixels")
    if steps:
        background, original, result = (_of_16_bits(one) for one in (background, original, result))
    depth = 16 if background.dtype == np.uint16 else 8
    document = tools.PSDImage.new("RGB", (width, height), depth=depth)
    opacity = to_uint8(mask)
    persons = (original,) if steps else (original, result)
    layers = [background, *(own_colors(one, background, mask) for one in persons)]
    for name, pixels in zip(LAYERS, layers, strict=False):
        layer = document.create_pixel_layer_from_array(np.ascontiguousarray(pixels), name=name)
        if name != LAYERS[0]:
            layer.create_mask(Image.fromarray(opacity))
    if steps:
        seen = blend(to_float(layers[1]), to_float(background), to_float(opacity))
        everywhere = Image.fromarray(np.where(mask > 0, np.uint8(255), np.uint8(0)))
        for name, pixels in _exact(steps, seen, result).items():
            layer = document.create_pixel_layer_from_array(pixels, name=name)
            layer.blend_mode = tools.constants.BlendMode.LINEAR_LIGHT
            layer.create_mask(everywhere)
    record = document._record  # the flat picture is ours: it needs no rendering of layers
    planes = [
        np.ascontiguousarray(result[..., c]).astype(result.dtype.newbyteorder(">")).tobytes()
        for c in range(3)
    ]
    record.image_data.set_data(planes, record.header)
    target = io.BytesIO()
    record.write(target)
    return target.getvalue()


def _of_16_bits(pixels: Pixels) -> Pixels:
    return pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * np.uint16(257)


def _exact(steps: Mapping[str, Pixels], seen: Floats, result: Pixels) -> dict[str, Pixels]:
    """The steps by people's names, the last one such that all of them give the result.

    Args:
        steps: see :func:`psd_bytes`.
        seen: what is below them, (H, W, 3) in [0, 1]; is written over.
        result: uint16 (H, W, 3).
    """
    made = {}
    for number, (name, pixels) in enumerate(steps.items(), 1):
        if number == len(steps):
            pixels = np.empty_like(result)
            for rows in strips((result.shape[0], result.shape[1])):
                change = (to_float(result[rows]) - seen[rows]) / 2
                pixels[rows] = np.rint(NO_CHANGE + change * 65535).clip(0, 65535)
        for rows in strips((result.shape[0], result.shape[1])):
            seen[rows] = np.clip(seen[rows] + 2 * to_float(pixels[rows]) - 1, 0, 1)
        made[name.removeprefix("match_").replace("_", " ").capitalize()] = pixels
    return made


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
