"""Gain of each effect of finishing, on pastes whose truth is known.

Photos are enlarged three times: so they have no grain of their own, and known grain can be added.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import cv2
import numpy as np

from phnet.benchmarks.finishing_times import (
    Photo,
    Tell,
    enlarged,
    frame_cost_figures,
    noisy,
    twelve_megapixel_figures,
)
from phnet.datasets.readers import masked_photos
from phnet.errors import BadData
from phnet.harmonization.finishing.edges import clean_edges
from phnet.harmonization.finishing.grain import match_grain
from phnet.harmonization.finishing.noise_level import measure_noise
from phnet.harmonization.finishing.sharpness import blur_of, match_sharpness
from phnet.images import load, load_mask
from phnet.images.arrays import Floats, Pixels, to_float, to_uint8
from phnet.matting.foreground import estimate

ENLARGED = 3  # times, for the grain
BAND = 3  # pixels on each side of the outline that are looked at
ALONG = 3.0  # pixels of the edge over which an error counts as a halo
BLURS = (0.0, 0.8, 1.5)  # sigmas, in pixels, of the person and of the scene
CURVES = ("flat", "shot", "dark")
LEAST_GIVEN = 0.5  # sigma, in levels, from which a person was given grain


def finishing_figures(
    folder: Path,
    count: int = 8,
    parts: Sequence[str] | None = None,
    repeat: int = 3,
    tell: Tell = lambda _: None,
) -> dict[str, Any]:
    """All figures, over the first ``count`` photos of a folder (NAME.jpg, NAME.png).

    Args:
        folder: of the photos.
        count: how many of them.
        parts: which figures, by their names; None: all.
        repeat: runs of which the median is told, for times.
        tell: gets a line for each thing that is done.
    """
    photos = list(_photos(folder, count))
    works: dict[str, Callable[[], Any]] = {
        "edges": lambda: edge_figures(photos),
        "sharpness": lambda: sharpness_figures(photos),
        "grain": lambda: grain_figures(photos, tell),
        "as_they_are": lambda: as_they_are(photos, tell),
        "times": lambda: {
            "at_12_megapixels": twelve_megapixel_figures(photos, repeat, tell),
            "cost_a_frame_of_1280x720": frame_cost_figures(photos[0][0], photos[-1][0]),
        },
    }
    figures: dict[str, Any] = {"photos": len(photos)}
    for name in works if parts is None else parts:
        tell(name)
        figures[name] = works[name]()
    return figures


def _photos(folder: Path, count: int) -> Iterator[Photo]:
    found = masked_photos(folder)[:count]
    if not found:
        raise BadData(f"{folder}: expected photos NAME.jpg with masks NAME.png, found none")
    for photo, mask in found:
        yield np.asarray(load(photo).colors), load_mask(mask)


# -- edges --------------------------------------------------------------------------------


def edge_figures(photos: list[Photo]) -> dict[str, dict[str, float]]:
    """Errors in the band along the edge, in levels of 255, before and after.

    A person's colors and mask are laid over another photo (the old background), cut out again with
    a mask, and laid over a third: the truth is the person laid over the third at once. The masks:
    the soft one itself; a hard one; a hard one that is a pixel too large.
    """
    errors: dict[str, list[tuple[float, float, float, float]]] = {}
    for k, (photo, alpha) in enumerate(photos):
        old, new = (to_float(_fitted(photos[(k + s) % len(photos)][0], alpha)) for s in (1, 2))
        person = np.where((alpha > 0.97)[..., None], to_float(photo), estimate(photo, alpha))
        share = alpha[..., None]
        seen = share * person + (1 - share) * old
        truth = share * person + (1 - share) * new
        hard = (alpha >= 0.5).astype(np.float32)
        larger = np.asarray(cv2.dilate(hard, np.ones((3, 3), np.uint8)), np.float32)
        for name, mask in {"soft": alpha, "hard": hard, "hard_too_large": larger}.items():
            cut = mask[..., None]
            paste = np.rint(255 * (cut * seen + (1 - cut) * new)).astype(np.uint8)
            cleaned, _ = clean_edges(paste, mask)
            band = _band(alpha) & (mask > 0)
            before, after = (to_float(p) - truth for p in (paste, cleaned))
            both = (_rms(before, band), _rms(after, band), _halo(before, band), _halo(after, band))
            errors.setdefault(name, []).append(both)
    names = ("band_before", "band_after", "halo_before", "halo_after")
    return {
        kind: {name: round(mean(row[i] for row in rows), 2) for i, name in enumerate(names)}
        for kind, rows in errors.items()
    }


def _fitted(photo: Pixels, alpha: Floats) -> Pixels:
    return np.asarray(cv2.resize(photo, alpha.shape[::-1], interpolation=cv2.INTER_CUBIC))


def _band(alpha: Floats) -> Pixels:
    hard = (alpha >= 0.5).astype(np.uint8)
    side = np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8)
    around = cv2.dilate(hard, side) - cv2.erode(hard, side) > 0
    return np.asarray(around | ((alpha > 0.02) & (alpha < 0.98)))


def _rms(error: Floats, band: Pixels) -> float:
    return float(np.sqrt((error[band] ** 2).mean())) * 255


def _halo(error: Floats, band: Pixels) -> float:
    """The error that is alike along the edge."""
    weight = band.astype(np.float32)
    amount = cv2.GaussianBlur(weight, (0, 0), ALONG)
    alike = cv2.GaussianBlur(error * weight[..., None], (0, 0), ALONG) / (amount + 1e-6)[..., None]
    return _rms(np.asarray(alike, np.float32), band)


# -- sharpness ----------------------------------------------------------------------------


def sharpness_figures(photos: list[Photo]) -> dict[str, dict[str, float]]:
    """Differences of blur between person and scene, in pixels, before and after.

    Person and scene of a photo are blurred by known amounts. The photo's own difference, before
    any blur, is what a perfect match of both would leave; it is told, too.
    """
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for photo, alpha in photos:
        inside, outside = (alpha > 0.99).astype(np.uint8), (alpha <= 0).astype(np.uint8)
        own = _difference(photo, inside, outside)
        for person, scene in ((p, s) for p in BLURS for s in BLURS if p != s):
            paste = np.where(
                (alpha > 0)[..., None], _blurred(photo, person), _blurred(photo, scene)
            )
            before = _difference(paste, inside, outside)
            after = _difference(match_sharpness(paste, alpha), inside, outside)
            if own is None or before is None or after is None:
                continue
            kind = "person_too_sharp" if person < scene else "person_too_soft"
            rows.setdefault(kind, []).append((abs(own), abs(before), abs(after)))
    names = ("own_difference", "before", "after")
    return {
        kind: {name: round(mean(row[i] for row in found), 2) for i, name in enumerate(names)}
        for kind, found in rows.items()
    }


def _blurred(photo: Pixels, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), sigma)) if sigma else photo


def _difference(photo: Pixels, inside: Pixels, outside: Pixels) -> float | None:
    person, scene = blur_of(photo, inside), blur_of(photo, outside)
    return None if person is None or scene is None else person - scene


# -- grain --------------------------------------------------------------------------------


def grain_figures(photos: list[Photo], tell: Tell = lambda _: None) -> dict[str, dict[str, Any]]:
    """The person's grain over the scene's at the same brightness, after matching: 1 is equal.

    The scene gets noise by a curve over the brightness (flat; growing, as shot noise; falling, as
    after a camera's tone curve), or is denoised or compressed then; a clean person is matched.
    """
    cases: dict[str, tuple[float, float, str, str]] = {
        f"{curve}_{level}": (level, size, curve, "")
        for curve in CURVES
        for level, size in ((2, 0.0), (5, 0.6), (10, 0.8))
    }
    cases["shot_5_jpeg_85"] = (5, 0.6, "shot", "jpeg 85")
    cases["shot_8_jpeg_60"] = (8, 0.6, "shot", "jpeg 60")
    cases["shot_8_denoised"] = (8, 0.6, "shot", "denoised")
    figures: dict[str, dict[str, Any]] = {}
    for name, (level, size, curve, how) in cases.items():
        ratios = [_grain_ratio(photo, level, size, curve, how) for photo in photos]
        known = [ratio for ratio in ratios if ratio is not None]
        figures[name] = {
            "after": round(float(np.median(known)), 2),
            "within_20_percent": f"{sum(abs(r - 1) <= 0.2 for r in known)} of {len(known)}",
            "each": [round(ratio, 2) for ratio in known],
        }
        tell(f"grain: {name}: {figures[name]['within_20_percent']}")
    given = [_given_more(photo) for photo in photos]
    figures["person_with_more"] = {"given_more": f"{sum(given)} of {len(given)}"}
    return figures


def _processed(pixels: Pixels, how: str) -> Pixels:
    if how == "denoised":
        return np.asarray(cv2.bilateralFilter(pixels, 5, 25, 2))
    if how.startswith("jpeg"):
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(how.split()[1])]
        _, content = cv2.imencode(".jpg", pixels[..., ::-1], quality)
        return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))[..., ::-1]
    return pixels


def _grain_ratio(photo: Photo, level: float, size: float, curve: str, how: str) -> float | None:
    """Median over brightnesses of what the person has after matching, over what it should have.

    It should have what the person of the same photo has that is treated as the scene is.
    """
    colors, mask = enlarged(photo, ENLARGED)
    scene = _processed(noisy(colors, level, size, curve), how)
    clean = to_uint8(colors)
    share = mask[..., None]
    paste = np.rint(share * clean + (1 - share) * scene).astype(np.uint8)
    made = match_grain(paste, mask)
    wanted, got = (_rough(picture, clean, mask > 0.99) for picture in (scene, made))
    shown = _rough(scene, clean, mask <= 0, 0.95)
    both = list(zip(got, wanted, shown, strict=True))
    # Of a brightness that the scene does not have nobody knows how it would be.
    known = [g / w for g, w, s in both if w and s] or [g / w for g, w, _ in both if w]
    return float(np.median(known)) if known else None


def _rough(picture: Pixels, clean: Pixels, where: Pixels, flattest: float = 0.5) -> list[float]:
    """Sigmas of what a picture has more than the clean one, by brightness; 0 where it has none.

    They are taken of the flattest share of the part ``where``.
    """
    plain = to_float(clean).mean(-1)
    off = to_float(picture).mean(-1) - plain
    off = off - cv2.GaussianBlur(off, (0, 0), 4)
    busy = np.abs(cv2.Laplacian(cv2.GaussianBlur(plain, (0, 0), 2), cv2.CV_32F))
    flat = where & (busy <= np.quantile(busy[where], flattest))
    sigmas = []
    for k in range(8):
        part = flat & (plain >= k / 8) & (plain < (k + 1) / 8)
        sigmas.append(float(off[part].std()) if part.sum() > 2000 else 0.0)
    return sigmas


def _given_more(photo: Photo) -> bool:
    """Tell whether a person with more grain than the scene ends with more than before."""
    colors, mask = enlarged(photo, ENLARGED)
    share = mask[..., None]
    person, scene = noisy(colors, 8, 0.5, "flat", 2), noisy(colors, 3, 0.6, "flat")
    paste = np.rint(share * person + (1 - share) * scene).astype(np.uint8)
    before = measure_noise(paste, mask > 0.99)
    after = measure_noise(match_grain(paste, mask), mask > 0.99)
    if before is None or after is None:
        return False
    return float(np.median(after.sigmas[0])) > 1.02 * float(np.median(before.sigmas[0]))


def as_they_are(photos: list[Photo], tell: Tell = lambda _: None) -> dict[str, Any]:
    """Photos that are no pastes: how many scenes count as noisy, and what persons are given.

    Person and scene are of one camera: what is added is what is wrong.
    """
    noise, given = [], []
    for number, (photo, alpha) in enumerate(photos, 1):
        found = measure_noise(photo, alpha <= 0)
        certain = None if found is None else found.certain()
        noise.append(0.0 if certain is None else 255 * float(np.median(certain.sigmas[0])))
        off = to_float(match_grain(photo, alpha)) - to_float(photo)
        given.append(255 * float(off[alpha > 0.99].mean(-1).std()))
        if number % 50 == 0:
            tell(f"as they are: {number} of {len(photos)}")
    noisy = [one for one in noise if one >= LEAST_GIVEN]
    more = [one for one in given if one >= LEAST_GIVEN]
    return {
        "scenes_that_count_as_noisy": f"{len(noisy)} of {len(photos)}",
        "median_sigma_of_these": round(float(np.median(noisy)), 2) if noisy else None,
        "persons_changed": f"{len(more)} of {len(photos)}",
        "median_and_largest_sigma_of_the_change": (
            [round(float(np.median(more)), 2), round(max(more), 2)] if more else None
        ),
    }
