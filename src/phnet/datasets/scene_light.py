"""Composites of people pasted into another light, beside the paper's recipe (section 3.2).

The real photo is a photo under a drawn light: its person before its own background or before any
other scene, both under that light. The composite is the same picture with the person in another
light: as the photo was, under a milder light, or recolored by the paper's recipe. All light is
applied in linear light; all randomness comes from the seed that is handed in.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np

from phnet.datasets.synthesis import Composite, Seed, binarize, draw_parameters, recolor
from phnet.images.arrays import Bytes, Doubles, Floats, Pixels

STEPS = 4096  # entries of the table from linear light back to the encoded picture
KEPT, MILDER = 0.45, 0.30  # shares of people as they were and under a milder light; else the recipe
OTHER_SCENE = 0.5  # share of people before another scene, where there is one
PLAIN = 6.0  # mean step from pixel to pixel, at 64x64 on [0, 255], below which a backdrop is plain


@dataclass(frozen=True)
class Light:
    """One light and one camera's answer to it; the values of a fresh one change nothing."""

    exposure: float = 0.0  # stops
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of R, G, B in linear light
    haze: float = 0.0  # share of the picture that is veiled
    haze_color: tuple[float, float, float] = (1.0, 1.0, 1.0)  # linear light
    side: float = 0.0  # stops between the picture's middle and its border, in direction angle
    angle: float = 0.0
    side_gains: tuple[float, float, float] = (1.0, 1.0, 1.0)  # color of the light from the side
    shoulder: float = 0.0  # how softly highlights run out, in [0, 1]
    gamma: float = 1.0
    contrast: float = 0.0  # of an S-curve
    split: tuple[float, float, float] = (0.0, 0.0, 0.0)  # added to shadows, taken from highlights
    saturation: float = 1.0


def blackbody(mireds: float) -> Doubles:
    """Linear sRGB of a black body's light against 6500 K (154 mireds), with luma 1.

    Kim et al.'s cubic for the Planckian locus (US patent 7024034, 2006), 1667 to 25000 K.
    """
    kelvin = np.clip(1e6 / mireds, 1667, 25000)
    t = 1e3 / kelvin
    if kelvin < 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvin < 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin < 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    matrix = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    rgb = np.clip(np.array(matrix) @ xyz, 0.02, None)
    return np.asarray(rgb / (rgb @ [0.2126, 0.7152, 0.0722]))


_WHITE = blackbody(1e6 / 6500)


def _hue(rng: np.random.Generator, strength: float) -> Doubles:
    """Gains of a gel of any hue with luma 1; strength 0 is clear."""
    angle = rng.uniform(0, 2 * np.pi)
    gains = np.exp(strength * np.cos(angle + np.array([0, -2, 2]) * np.pi / 3))
    return np.asarray(gains / (gains @ [0.2126, 0.7152, 0.0722]))


def _three(values: Doubles) -> tuple[float, float, float]:
    red, green, blue = (float(v) for v in values)
    return red, green, blue


def draw_light(rng: np.random.Generator, amount: float = 1.0) -> Light:
    """Draw a light; ``amount`` in [0, 1] scales how far it is from daylight."""
    night = rng.random() < 0.15
    exposure = rng.uniform(-2.6, 0.8) if not night else rng.uniform(-3.6, -1.6)
    mireds = rng.uniform(70, 450)
    gains = (blackbody(mireds) / _WHITE) ** rng.uniform(0.1, 1.0)
    saturation = rng.uniform(0.6, 1.3)
    if night:  # moon and sky: blue, with little color
        gains = (blackbody(rng.uniform(60, 120)) / _WHITE) ** rng.uniform(0.4, 1.3)
        saturation = rng.uniform(0.4, 0.9)
    gains = gains * np.exp(rng.normal(0, 0.06) * np.array([-0.5, 1.0, -0.5]))
    if rng.random() < 0.3:
        gains = gains * _hue(rng, rng.uniform(0.1, 0.7))
    gains = gains / (gains @ [0.2126, 0.7152, 0.0722])
    haze, haze_color = 0.0, np.ones(3)
    if rng.random() < 0.2:
        haze = rng.uniform(0.05, 0.5) * amount
        haze_color = rng.uniform(0.15, 0.9) * (blackbody(rng.uniform(90, 300)) / _WHITE) ** 0.4
    side, side_gains = 0.0, np.ones(3)
    if rng.random() < 0.25:
        side = rng.uniform(-1, 1) * amount
        side_gains = (blackbody(rng.uniform(80, 420)) / _WHITE) ** (rng.uniform(0, 0.8) * amount)
    film = rng.random() < 0.15
    return Light(
        exposure=float(exposure * amount),
        gains=_three(gains**amount),
        haze=float(haze),
        haze_color=_three(haze_color),
        side=float(side),
        angle=float(rng.uniform(0, 2 * np.pi)),
        side_gains=_three(side_gains),
        shoulder=float(rng.uniform(0.2, 1) * amount) if rng.random() < 0.6 else 0.0,
        gamma=float(np.exp(rng.normal(0, 0.12) * amount)),
        contrast=float(rng.normal(0, 0.25) * amount),
        split=_three(rng.normal(0, 0.03, 3) * amount) if film else (0.0, 0.0, 0.0),
        saturation=float(saturation**amount),
    )


def _curve(light: Light) -> Floats:
    """From linear light in STEPS even steps over [0, 1] to the encoded picture, (3, STEPS)."""
    x = np.linspace(0, 1, STEPS)[None].repeat(3, 0)
    soft = x * 1.6 / (x + 0.6)  # meets 0 and 1, steeper below
    x = x + light.shoulder * 0.5 * (soft - x)
    x = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)
    x = np.clip(x, 0, 1) ** light.gamma
    x = x + light.contrast * 4 * (x - 0.5) * x * (1 - x)
    x = x + np.array(light.split)[:, None] * (1 - 2 * x)
    return np.asarray(np.clip(x, 0, 1), np.float32)


_LINEAR = np.where(
    np.arange(256) / 255 <= 0.04045,
    np.arange(256) / 255 / 12.92,
    ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4,
)


def relight(photo: Bytes, light: Light, rng: np.random.Generator) -> Bytes:
    """A photo under ``light``.

    Args:
        photo: uint8 (H, W, 3), taken as lit by daylight.
        light: see :class:`Light`.
        rng: for the dither that hides the steps of 8 bits.

    Returns:
        uint8 (H, W, 3).
    """
    height, width = photo.shape[:2]
    gains = np.array(light.gains) * 2**light.exposure * (1 - light.haze)
    veil = light.haze * np.array(light.haze_color)
    table = (_LINEAR[:, None] * gains + veil).astype(np.float32)
    linear = cv2.LUT(photo, np.ascontiguousarray(table[None]))
    if light.side:
        across = np.linspace(-1, 1, width, dtype=np.float32)[None] * np.float32(np.cos(light.angle))
        down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        slope = across + down * np.float32(np.sin(light.angle))
        bright = np.exp2(slope * np.float32(light.side))
        color = np.log2(np.array(light.side_gains, np.float32))
        linear = linear * bright[..., None]
        if color.any():
            linear = linear * np.exp2(0.5 * (1 + slope)[..., None].clip(0, 2) * color)
    curve = _curve(light)
    index = np.clip(linear * (STEPS - 1) + 0.5, 0, STEPS - 1).astype(np.int32)
    encoded = np.stack([curve[c][index[..., c]] for c in range(3)], 2)
    if light.saturation != 1:
        luma = np.tile(np.array([0.299, 0.587, 0.114], np.float32), (3, 1))
        matrix = light.saturation * np.eye(3, dtype=np.float32) + (1 - light.saturation) * luma
        encoded = cv2.transform(encoded, matrix.astype(np.float32))
    noise = rng.random((height, width, 1), np.float32)
    return np.asarray(np.clip(encoded * 255 + noise, 0, 255), np.uint8)


def make_scene_light(
    photo: Bytes, mask: Pixels, seed: Seed, scene: Bytes | None = None
) -> tuple[Composite, Bytes]:
    """Make a paste under foreign light and the picture that it should become.

    Args:
        photo: uint8 (H, W, 3), a photo of a person.
        mask: (H, W), uint8 in [0, 255], float in [0, 1] or bool; binarized at 0.5.
        seed: anything ``numpy.random.default_rng`` takes; the same seed gives the same bytes.
        scene: uint8 (H, W, 3), another background; used for OTHER_SCENE of the seeds.

    Returns:
        The composite, and the real photo, uint8 (H, W, 3). Outside the mask they are equal.
    """
    rng = np.random.default_rng(seed)
    hard = binarize(mask)
    light = draw_light(rng)
    elsewhere = scene is not None and rng.random() < OTHER_SCENE
    whole = np.where(hard[..., None], photo, scene) if elsewhere and scene is not None else photo
    real = relight(whole, light, rng)
    if light.haze:  # the person stands nearer than the scene: less of the veil lies before them
        nearer = replace(light, haze=light.haze * float(rng.uniform(0.3, 1)))
        real = np.where(hard[..., None], relight(whole, nearer, rng), real)
    kind = rng.random()
    own: dict[str, Any]
    if kind < KEPT:
        person, own = photo, {"person": "kept"}
    elif kind < KEPT + MILDER:
        milder = draw_light(rng, float(rng.uniform(0.1, 0.6)))
        person, own = relight(photo, milder, rng), {"person": "milder", **asdict(milder)}
    else:
        drawn = draw_parameters(rng)
        person, own = recolor(photo, drawn), {"person": "recolored", **drawn}
    image = np.where(hard[..., None], person, real)
    parameters = {"light": asdict(light), "other_scene": bool(elsewhere), "own": own}
    return Composite(image, hard, parameters), real


def is_plain(photo: Bytes, mask: Pixels) -> bool:
    """Tell whether a person stands before a plain backdrop, which tells nothing of light.

    Args:
        photo: uint8 (H, W, 3).
        mask: (H, W), uint8 in [0, 255], float in [0, 1] or bool; binarized at 0.5.
    """
    small = cv2.resize(photo, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    person = cv2.resize(binarize(mask).astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)
    behind = cv2.erode((person < 0.05).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    step = np.abs(np.diff(small, axis=0))[:, :-1] + np.abs(np.diff(small, axis=1))[:-1]
    inside = behind[:-1, :-1]
    return bool(inside.sum() > 40 and step.max(2)[inside].mean() < PLAIN)


def draw_backdrop(size: int, rng: np.random.Generator) -> Bytes:
    """A studio's backdrop, uint8 (size, size, 3): one color, shaded from a side or a middle."""
    color = rng.uniform(0, 255) * np.exp(rng.normal(0, rng.uniform(0, 0.6), 3))
    x, y = np.meshgrid(*[np.linspace(-1, 1, size)] * 2)
    shade = rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y
    if rng.random() < 0.5:
        shade = (x - rng.uniform(-1, 1)) ** 2 + (y - rng.uniform(-1, 1)) ** 2
    shaded = color * np.exp2(rng.uniform(-1, 1) * rng.uniform(0, 1) * shade)[..., None]
    noise = rng.normal(0, rng.uniform(0.3, 3), (*shaded.shape[:2], 1))
    return np.asarray(np.clip(shaded + noise, 0, 255), np.uint8)


def traces(pictures: Sequence[Bytes], rng: np.random.Generator, size: int) -> list[Bytes]:
    """Blur, compress and add noise: all of ``pictures`` alike, but for noise and JPEG.

    A light blur or sharpening of the whole, resizing to ``size`` by a drawn filter, noise, JPEG of
    quality 60 to 98. Noise and JPEG touch the first picture (the composite) alone: they cannot be
    undone, and are not to be learned.

    Args:
        pictures: uint8 (H, W, 3), the composite first.
        rng: decides which.
        size: side of the square that comes back.
    """
    kind = rng.random()
    if kind < 0.2:
        sigma = float(rng.uniform(0.4, 1.5))
        pictures = [np.asarray(cv2.GaussianBlur(p, (0, 0), sigma), np.uint8) for p in pictures]
    elif kind < 0.4:
        amount, sigma = float(rng.uniform(0.3, 2.0)), float(rng.uniform(0.5, 1.5))
        pictures = [
            np.asarray(
                cv2.addWeighted(p, 1 + amount, cv2.GaussianBlur(p, (0, 0), sigma), -amount, 0),
                np.uint8,
            )
            for p in pictures
        ]
    pictures = resized(pictures, size, rng)
    changed = pictures[0]
    if rng.random() < 0.15:
        sigma = rng.uniform(1, 6)
        noise = rng.standard_normal(changed.shape, np.float32) * np.float32(sigma)
        changed = np.clip(changed + noise + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(60, 99))
        _, content = cv2.imencode(".jpg", changed, [cv2.IMWRITE_JPEG_QUALITY, quality])
        changed = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)
    return [changed, *pictures[1:]]


_FILTERS = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def resized(pictures: Sequence[Bytes], size: int, rng: np.random.Generator) -> list[Bytes]:
    """Pictures (H, W) or (H, W, 3) resized to squares of ``size`` by one drawn filter."""
    method = int(rng.choice(_FILTERS))
    if pictures[0].shape[0] < size and method == cv2.INTER_AREA:
        method = cv2.INTER_CUBIC  # to enlarge by areas is to repeat pixels
    return [
        np.ascontiguousarray(p)
        if p.shape[:2] == (size, size)
        else np.asarray(cv2.resize(p, (size, size), interpolation=method), np.uint8)
        for p in pictures
    ]
