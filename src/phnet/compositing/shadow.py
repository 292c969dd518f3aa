"""The shadow of a person who stands or sits on the scene's ground: a simple model, written down.

Two parts, both light that is missing, in linear light:

- **Contact**: under what touches the ground (the lowest part of the matte, column by column, within
  CONTACT of the person's height) lies a soft dark ellipse, flat as the ground is seen from afar.
- **Cast**: the silhouette itself, laid on the ground: a point at height h above the feet falls
  ``length x h`` away, sideways by the sine and up the picture by FLAT times the cosine of the
  light's angle. It grows softer with height.

Where the person is cut off by the frame there is no ground, and no shadow. The ground is taken as
level; walls and steps in the scene are not known.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from phnet.harmonization.tiling import GAMMA
from phnet.images.arrays import FULL_SCALE, Floats, Pixels, enlarged_rows, shrunk, strips, to_float
from phnet.images.color_profiles import LUMA
from phnet.options import SceneOptions

SIDE = 640  # longest side at which shadows are drawn
SEEN = 0.5  # mask from which a pixel counts as the person
CONTACT = 0.07  # share of the person's height that can touch the ground
FLAT = 0.35  # how much the ground is foreshortened
DARK_CONTACT, DARK_CAST = 0.9, 0.55  # share of the light that is missing at most
CUT = 0.02  # of the portrait's longer side: more than this at its lower frame is a cut person
FLOATS = 0.01  # of the portrait's height, that may be cut from the feet
LEAST = 1 / 512  # less missing light than this changes nothing


@dataclass(frozen=True)
class ShadowLight:
    """Direction and softness of a scene's light, as far as its shadow shows."""

    angle: float  # of the shadow, in degrees: 0 away from the viewer, 90 to the right, -90 left
    length: float  # of the shadow per height of the person
    softness: float  # in [0, 1]: 0 as in clear sun, 1 as under clouds
    cast: float  # in [0, 1]: how much of the light comes from one side


def estimate_light(scene: Pixels) -> ShadowLight:
    """Guess the light of a scene from how bright its upper half (sky) and lower half (ground) are.

    The brighter side of the upper half is taken as that of the light, and a ground with much
    contrast between bright and dark as lit by the sun. It is a guess: none of it is sure.

    Args:
        scene: sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
    """
    small = shrunk(scene[..., :3], (min(64, scene.shape[0]), min(64, scene.shape[1])))
    light = np.clip(small, 0, 1) ** GAMMA @ LUMA
    upper, lower = light[: max(1, len(light) // 2)], light[len(light) // 2 :]
    across = np.linspace(-1, 1, light.shape[1])
    lean = float((upper * across).sum() / max(float(upper.sum()), 1e-6))
    angle = float(np.clip(-lean * 200, -60, 60))
    dark, bright = np.percentile(lower, (15, 90))
    contrast = float(bright / max(float(dark), 0.01))
    sun = float(np.clip((contrast - 4) / 12, 0, 1)) * float(np.clip(bright / 0.25, 0, 1))
    return ShadowLight(angle, 0.6, 1 - 0.7 * sun, 0.25 + 0.75 * sun)


def chosen_light(scene: Pixels, options: SceneOptions) -> ShadowLight:
    """The light of a scene (H, W, 3 or 4): what the options say, and guessed where they do not."""
    guessed = estimate_light(scene)
    given = {
        "angle": options.shadow_angle,
        "length": options.shadow_length,
        "softness": options.shadow_softness,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    # Who says where it falls wants to see it.
    cast = max(guessed.cast, 0.7) if chosen else guessed.cast
    return replace(guessed, cast=cast, **chosen)


def stands(alpha: Floats, below: float) -> bool:
    """Tell whether a person ends on the ground, and not at a frame.

    Args:
        alpha: the portrait's (h, w) in [0, 1].
        below: how many of the portrait's rows lie below the scene's lower edge.
    """
    rows = np.flatnonzero((alpha >= SEEN).any(1))
    least = max(1, round(CUT * max(alpha.shape)))
    if not rows.size or int((alpha[-1] >= SEEN).sum()) >= least:
        return False
    return bool(int(rows[-1]) + 1 <= alpha.shape[0] - below + FLOATS * alpha.shape[0])


def missing_light(size: tuple[int, int], mask: Floats, light: ShadowLight, bottom: int) -> Floats:
    """The share of the light that is missing on the ground, small: (h, w) in [0, 1].

    Args:
        size: (h, w) to draw at.
        mask: (H, W) of the person.
        light: the scene's.
        bottom: the row of the mask on which the person stands.
    """
    person = np.clip(shrunk(mask, size), 0, 1)
    foot = (bottom + 1) * size[0] / mask.shape[0]
    rows = np.flatnonzero((person >= SEEN).any(1))
    if not rows.size:
        return np.zeros(size, np.float32)
    height = max(2.0, foot - float(rows[0]))
    dark = np.maximum(
        DARK_CONTACT * _contact(person, foot, height),
        DARK_CAST * light.cast * _cast(person, foot, height, light),
    )
    dark[dark < LEAST] = 0
    return np.asarray(dark, np.float32)


def _contact(person: Floats, foot: float, height: float) -> Floats:
    """Contact shadow: where the person touches the ground, spread flat."""
    solid = person >= SEEN
    lowest = np.where(solid.any(0), person.shape[0] - np.argmax(solid[::-1], 0), -1)
    touching = np.flatnonzero(lowest >= foot - CONTACT * height)
    drawn = np.zeros(person.shape, np.float32)
    thick = max(1, round(0.012 * height))
    for column in touching:
        drawn[max(0, lowest[column] - thick) : lowest[column] + thick, column] = 1

    def spread(reach: float) -> Floats:
        wide, tall = max(0.6, reach * height), max(0.5, FLAT * reach * height)
        soft = cv2.GaussianBlur(drawn, (0, 0), sigmaX=wide, sigmaY=tall)
        return np.asarray(soft / max(float(soft.max()), 1e-6), np.float32)

    return np.asarray(0.55 * spread(0.018) + 0.45 * spread(0.06), np.float32)


def _cast(person: Floats, foot: float, height: float, light: ShadowLight) -> Floats:
    """The silhouette laid on the ground, softer with height."""
    turn = np.deg2rad(light.angle)
    aside, up = light.length * np.sin(turn), FLAT * light.length * np.cos(turn)
    up = up if abs(up) > 0.02 else 0.02
    # A point (x, foot - h) falls on (x + aside h, foot - up h): the inverse of that is looked up.
    place = np.array(
        [[1, aside / up, -aside / up * foot], [0, 1 / up, foot - foot / up]], np.float64
    )
    laid = cv2.warpAffine(
        person,
        place,
        person.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    laid = np.asarray(laid, np.float32)
    y = np.arange(person.shape[0], dtype=np.float32)[:, None]
    away = np.clip((foot - y) / max(abs(up) * height, 1e-3), 0, 1)
    near = (0.004 + 0.02 * light.softness) * height
    soft = cv2.GaussianBlur(laid, (0, 0), max(0.5, near))
    softer = cv2.GaussianBlur(laid, (0, 0), max(0.6, (2 + 3 * light.softness) * near))
    mixed = soft + away * (softer - soft)
    return np.asarray(mixed * (1 - (0.3 + 0.5 * light.softness) * away), np.float32)


def cast_shadow(
    picture: Pixels, mask: Floats, amount: float, light: ShadowLight
) -> tuple[Pixels, Floats]:
    """Darken the ground under and beside a person; the rest stays bit for bit.

    Args:
        picture: the finished composition, sRGB (H, W, 3) or (H, W, 4): uint8, uint16, or floats
            in [0, 1].
        mask: (H, W) in [0, 1], where the person is, who gets nothing of it.
        amount: how dark, in [0, 1].
        light: the scene's.

    Returns:
        The picture, and how much light is missing where, (H, W) in [0, 1].
    """
    result, size = np.array(picture), (mask.shape[0], mask.shape[1])
    missing = np.zeros(size, np.float32)
    rows = np.flatnonzero((mask >= SEEN).any(1))
    if amount == 0 or not rows.size:
        return result, missing
    shrink = max(1.0, max(size) / SIDE)
    fitted = (max(1, round(size[0] / shrink)), max(1, round(size[1] / shrink)))
    dark = missing_light(fitted, mask, light, int(rows[-1]))
    scale = FULL_SCALE.get(picture.dtype)
    for part in strips(size):
        share = enlarged_rows(dark, size, part) * np.float32(amount) * (1 - mask[part])
        share[share < LEAST] = 0
        if picture.shape[2] == 4:  # there is no ground
            share[picture[part][..., 3] == 0] = 0
        missing[part] = share
        place = np.nonzero(share)
        if not place[0].size:
            continue
        target = result[part]
        left = (1 - share[place]) ** np.float32(1 / GAMMA)
        colors = target[..., :3]
        values = to_float(colors[place]) * left[:, None]
        colors[place] = values if scale is None else np.rint(values * scale)
    return result, missing
