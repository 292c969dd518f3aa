"""Noise of a part of a picture: its level at each brightness, its coarseness, its color.

A noise level function (Liu et al., "Automatic estimation and removal of noise from a single image",
2008) from the flattest blocks: they are chosen by their low frequencies and judged by what is left
without them (Ponomarenko et al., 2007), so choosing does not favor little noise.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from phnet.harmonization.finishing.strips import scaled
from phnet.images.arrays import Bools, Doubles, Floats, Indices, Pixels, to_float

SIDE = 8  # of a block, pixels
OFF = 3  # of the first block, so that blocks are not those of a JPEG
MOST_BLOCKS = 6000  # that are looked at
LEAST_BLOCKS = 8  # that tell something
UNEVEN = 2.2  # from block to block (third quartile to first) noise does not differ more: texture
SLACK = 1.3  # times what noise of a known grain differs (EVEN), from which it may be texture
TEXTURED = 2.5  # times what the flattest blocks of all have: that is texture, not noise
FLATTEST = 0.12  # share of the blocks of a brightness that is taken
LEVELS = 8  # brightnesses
LARGEST = 12 / 255  # sigma that is believed to be noise
DARKEST, BRIGHTEST = 0.02, 0.97  # means of blocks outside are clipped, in part
# Noise made of white noise by blurs of GRAINS (sigmas in pixels), as blocks without their slopes
# show it: how much it is like itself a pixel further, and the share of its sigma that is seen.
GRAINS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.6, 2.0)
ALIKE = (-0.03, 0.0, 0.12, 0.27, 0.38, 0.46, 0.555, 0.615, 0.655, 0.666)
SEEN = (0.957, 0.936, 0.906, 0.853, 0.798, 0.752, 0.671, 0.581, 0.473, 0.362)
# The same two pixels further, which tells noise of one grain from noise of two: what a denoiser
# leaves has a part that is coarse.
FURTHER = (-0.031, -0.044, -0.070, -0.092, -0.098, -0.080, -0.002, 0.100, 0.194, 0.257)
COARSE = 1.6  # grain of that part
# Likewise, how much the squares differ from block to block, and the share of the sigma that is left
# by second differences both ways, which texture has little of.
EVEN = (1.28, 1.26, 1.28, 1.32, 1.35, 1.43, 1.51, 1.62, 1.78, 1.97)
FINE = (0.954, 0.859, 0.642, 0.415, 0.262, 0.170, 0.080, 0.036, 0.015, 0.006)
COLORED = 0.6 / 255  # sigma of the colors' noise from which its grain can be told
COARSER = 0.05  # pixels that the brightness's noise may be coarser than the colors'
ALIKE_GRAIN = 0.12  # pixels that the colors' may be coarser than the brightness's
NEARLY = 1.15  # times what the finest of it says that there is of the rest
COARSEST = 0.9  # grain from which it may as well be texture
COARSEST_TOLD = 1.1  # the same where the colors' is alike
COLORFUL = 0.3  # of the brightness's sigma: colors that have as much have noise; textures have less
LEAST_COLORFUL = 0.4 / 255  # sigma of the colors; less is rounding
COARSEST_COLORFUL = 1.4  # grain that is believed there
LEAST_FINE = 0.08  # a coarser grain cannot be told by it
# Brightness, and two differences of colors: noise is much the same in each of them alone.
OPPONENT = np.array([[1 / 3, 1 / 3, 1 / 3], [0.5, 0, -0.5], [-0.25, 0.5, -0.25]], np.float32)
BACK = np.linalg.inv(OPPONENT).astype(np.float32)


@dataclass(frozen=True)
class Noise:
    """The noise of a part of a picture."""

    sigmas: Floats  # (3, LEVELS): of the opponent channels, at brightnesses (i + 0.5) / LEVELS
    grain: Floats  # (3,): sigma, in pixels, of the blur that makes the like of white noise
    coarse: Floats  # (3,): share of its variance that is of the grain COARSE instead
    sure: Bools  # (LEVELS,): it is noise, and not texture
    fine: Floats  # (3, LEVELS): of the same blocks, in second differences both ways

    def like(self, other: "Noise") -> Floats:
        """The part of this that is noise as another has it: sigmas (3, LEVELS).

        Where it is not sure that it is noise, only what is as fine as that noise counts: cloth and
        hair are coarser.
        """
        share = _mixed(FINE, other.grain, other.coarse).astype(np.float32)[:, None]
        fine = np.minimum(self.sigmas, self.fine / np.maximum(share, LEAST_FINE))
        only_total = self.sure | (share < LEAST_FINE)
        return np.asarray(np.where(only_total, self.sigmas, fine), np.float32)

    def certain(self) -> "Noise | None":
        """The same with what is sure alone, also for the other brightnesses; None: nothing is."""
        known = self.sure & (self.sigmas[0] <= LARGEST)
        if not known.any():
            return None
        return replace(self, sigmas=_filled(np.where(known, self.sigmas, np.nan)))

    def at(self, luma: Floats) -> Floats:
        """The sigmas of the three channels at brightnesses (h, w): (h, w, 3)."""
        centers = (np.arange(256) + 0.5) / 256 * LEVELS - 0.5
        tables = [np.interp(centers, np.arange(LEVELS), row) for row in self.sigmas]
        table = np.stack(tables, -1).astype(np.float32)[None]
        level = scaled(luma, 255, np.dtype(np.uint8))
        return np.asarray(cv2.LUT(cv2.merge([level, level, level]), table), np.float32)


def measure_noise(picture: Pixels, where: Pixels) -> Noise | None:
    """Estimate the noise of a part of a picture.

    Args:
        picture: sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        where: bool (H, W), that part.

    Returns:
        None where there are too few blocks.
    """
    blocks = _blocks(picture, where)
    if len(blocks) < LEAST_BLOCKS:
        return None
    values = np.moveaxis(np.tensordot(OPPONENT, blocks, (1, 3)), 0, 3)  # (n, SIDE, SIDE, 3)
    luma = values[..., 0].mean((1, 2))
    usable = (luma > DARKEST) & (luma < BRIGHTEST)
    if int(usable.sum()) < LEAST_BLOCKS:
        return None
    values, luma = values[usable], luma[usable]
    rest = _without_plane(values)
    rough = rest.reshape(len(rest), 4, SIDE // 4, 4, SIDE // 4, 3).mean((2, 4))
    unrest = rough.var((1, 2)).sum(-1)  # low frequencies
    square, fine, shifted = (rest**2).mean((1, 2)), _fine(rest), _shifted(rest)
    level = np.clip((luma * LEVELS).astype(int), 0, LEVELS - 1)
    flattest = _flattest(unrest, np.arange(len(luma)))
    typical = _sigmas(square[flattest])
    about = _without_texture(_grain(square, shifted, flattest), typical)
    believed = about[0] <= _coarsest(about, typical)
    limit = SLACK * float(np.interp(about[0], GRAINS, EVEN)) if believed else 0
    sigmas, finest = np.full((3, LEVELS), np.nan), np.full((3, LEVELS), np.nan)
    sure = np.zeros(LEVELS, bool)
    chosen: list[Indices] = []
    for one in range(LEVELS):
        members = np.flatnonzero(level == one)
        if len(members) < LEAST_BLOCKS:
            continue
        flat = _flattest(unrest, members)
        found = _sigmas(square[flat])
        if found[0] <= TEXTURED * typical[0]:
            sigmas[:, one], finest[:, one] = found, _sigmas(fine[flat])
            sure[one] = _unevenness(square[flat]) <= limit
            chosen.append(flat)
    if not chosen:
        sigmas[:], finest[:] = typical[:, None], _sigmas(fine[flattest])[:, None]
        chosen.append(flattest)
    taken = np.concatenate(chosen)
    seen_grain, typical = _grain(square, shifted, taken), _sigmas(square[taken])
    grain, coarse = _without_texture(seen_grain, typical), np.zeros(3, np.float32)
    if _tells(grain, typical):  # what is coarser than that grain is texture
        share, part = (float(np.interp(grain[0], GRAINS, known)) for known in (FINE, SEEN))
        slack = 1 if grain[0] < seen_grain[0] else NEARLY
        sigmas[0] = np.fmin(sigmas[0], slack * part * finest[0] / max(LEAST_FINE, share))
    elif _colorful(typical):
        grain, coarse = _two_grains(rest[taken], square[taken], shifted[taken])
    seen = _mixed(SEEN, grain, coarse).astype(np.float32)
    return Noise(_filled(sigmas) / seen[:, None], grain, coarse, sure, _filled(finest))


def _coarsest(grain: Floats, sigmas: Doubles) -> float:
    """The coarsest grain that is believed to be noise, where it is (3,), and so are its sigmas."""
    if _colorful(sigmas):
        return COARSEST_COLORFUL
    return COARSEST_TOLD if _tells(grain, sigmas) else COARSEST


def _colorful(sigmas: Doubles) -> bool:
    """Tell whether sigmas (3,) are such as noise has, and no texture.

    The channels' noise is independent, in part at least; leaves, cloth and walls differ in
    brightness, and little in color.
    """
    return bool(min(sigmas[1:]) >= max(LEAST_COLORFUL, COLORFUL * sigmas[0]))


def _mixed(known: tuple[float, ...], grain: Floats, coarse: Floats) -> Doubles:
    """Shares of sigmas (3,) of noise of two grains, from those ``known`` for GRAINS."""
    fine = np.interp(grain, GRAINS, known) ** 2
    return np.sqrt(fine + coarse * (float(np.interp(COARSE, GRAINS, known)) ** 2 - fine))


def _two_grains(rest: Floats, square: Floats, shifted: Floats) -> tuple[Floats, Floats]:
    """The finer grain (3,), and the share (3,) of the coarse one, of flat blocks.

    Both follow from how much they are like themselves one and two pixels further: for each finer
    grain a share gives the first, and the grain is taken that gives the second, too.
    """
    scale = np.maximum(square, 1e-12)
    one, two = np.median(shifted / scale, 0), np.median(_shifted(rest, 2) / scale, 0)
    grains = np.linspace(0, COARSE, 65)
    tables = [np.interp(grains, GRAINS, known) for known in (SEEN, ALIKE, FURTHER)]
    seen = tables[0] ** 2
    near, far = tables[1] * seen, tables[2] * seen
    grain, coarse = np.zeros(3, np.float32), np.zeros(3, np.float32)
    for c in range(3):
        slope = (near[-1] - near) - one[c] * (seen[-1] - seen)
        share = np.clip((one[c] * seen - near) / np.where(slope == 0, 1, slope), 0, 1)
        both = seen + share * (seen[-1] - seen)
        off_near = (near + share * (near[-1] - near)) / both - one[c]
        off_far = (far + share * (far[-1] - far)) / both - two[c]
        best = int(np.argmin(4 * off_near**2 + off_far**2))
        grain[c], coarse[c] = grains[best], share[best]
    return grain, coarse


def _without_texture(grain: Floats, sigmas: Doubles) -> Floats:
    """The grain (3,) where the brightness's may be that of a texture, which has little color.

    Noise of the brightness is as coarse as that of the colors or finer; where theirs can be told,
    a coarser one is not believed.
    """
    colors = float(grain[1:].mean())
    if not _tells(grain, sigmas) or grain[0] <= colors + COARSER:
        return grain
    return np.array([colors, *grain[1:]], np.float32)


def _tells(grain: Floats, sigmas: Doubles) -> bool:
    """Tell whether the colors' noise, of a grain and sigmas (3,), is such as the brightness's.

    That of a JPEG is coarser.
    """
    return bool(min(sigmas[1:]) >= COLORED and grain[1:].mean() <= grain[0] + ALIKE_GRAIN)


def _flattest(unrest: Floats, members: Indices) -> Indices:
    """Of some blocks those with the least low frequencies."""
    count = max(LEAST_BLOCKS, round(FLATTEST * len(members)))
    return members[np.argsort(unrest[members], kind="stable")[:count]]


def _grain(square: Floats, shifted: Floats, flat: Indices) -> Floats:
    """The grain (3,) of flat blocks, from how much they are like themselves a pixel further."""
    alike = np.median(shifted[flat] / np.maximum(square[flat], 1e-12), 0)
    return np.interp(alike, ALIKE, GRAINS).astype(np.float32)


def _shifted(rest: Floats, by: int = 1) -> Floats:
    """The covariances (n, 3) of blocks with themselves a pixel further, or more."""
    across = (rest[:, :, by:] * rest[:, :, :-by]).mean((1, 2))
    down = (rest[:, by:] * rest[:, :-by]).mean((1, 2))
    return np.asarray(0.5 * (across + down), np.float32)


def _fine(rest: Floats) -> Floats:
    """The variances (n, 3) of blocks' second differences both ways."""
    across = 2 * rest[:, :, 1:-1] - rest[:, :, :-2] - rest[:, :, 2:]
    both = 2 * across[:, 1:-1] - across[:, :-2] - across[:, 2:]
    return np.asarray((both**2).mean((1, 2)) / 36, np.float32)


def _blocks(picture: Pixels, where: Pixels) -> Floats:
    """Blocks (n, SIDE, SIDE, 3) in [0, 1] that lie in the part as a whole; evenly spaced."""
    height, width = where.shape
    step = SIDE
    while (height // step) * (width // step) > 4 * MOST_BLOCKS:
        step += SIDE // 2
    if (height // step) * (width // step) < MOST_BLOCKS // 4:
        step = SIDE // 2
    whole = cv2.erode(
        where.astype(np.uint8),
        np.ones((SIDE, SIDE), np.uint8),
        anchor=(0, 0),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    rows, columns = np.nonzero(whole[OFF::step, OFF::step])
    if len(rows) > MOST_BLOCKS:
        taken = np.linspace(0, len(rows) - 1, MOST_BLOCKS).astype(int)
        rows, columns = rows[taken], columns[taken]
    y, x = rows[:, None, None] * step + OFF, columns[:, None, None] * step + OFF
    inner = np.arange(SIDE)
    return to_float(picture[y + inner[:, None], x + inner])


def _without_plane(values: Floats) -> Floats:
    """Blocks (n, SIDE, SIDE, 3) less their mean and slopes."""
    ramp = (np.arange(SIDE) - (SIDE - 1) / 2).astype(np.float32)
    ramp /= np.sqrt((ramp**2).mean())
    rest = values - values.mean((1, 2), keepdims=True)
    rest -= (rest * ramp[:, None, None]).mean((1, 2), keepdims=True) * ramp[:, None, None]
    rest -= (rest * ramp[:, None]).mean((1, 2), keepdims=True) * ramp[:, None]
    return np.asarray(rest, np.float32)


def _unevenness(square: Floats) -> float:
    """Ratio of the brightness's variances of blocks, (n, 3): third quartile to first."""
    low, high = np.percentile(square[:, 0], (25, 75))
    return float(high / max(low, 1e-7))


def _sigmas(square: Floats) -> Doubles:
    """The sigmas (3,) of flat blocks whose variances are (n, 3); the less where it is texture."""
    even = _unevenness(square) <= UNEVEN
    return np.sqrt(np.percentile(square, 50 if even else 20, axis=0))


def _filled(sigmas: Doubles) -> Floats:
    """Brightnesses that no block has get what the nearest have."""
    places = np.arange(sigmas.shape[1])
    known = ~np.isnan(sigmas[0])
    rows = [np.interp(places, places[known], row[known]) for row in sigmas]
    return np.asarray(rows, np.float32)
