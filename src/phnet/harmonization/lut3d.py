"""One table of colors for the whole foreground: its fit, its use, and its ``.cube`` file."""

import os
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from phnet.files import write_text
from phnet.harmonization.affine_fit import affine_fit, smooth, unblend
from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.tiling import STRIP_PIXELS, Changed, Trims
from phnet.images.arrays import Floats, Pixels, on_threads
from phnet.options import LookOptions

SIZE = 17
SIGMA = 0.12  # how far around a table entry colors count, in [0, 1]
SAMPLES = 4096
RIDGE = 0.002  # pulls an entry that few colors are near towards the map of the whole


@dataclass(frozen=True)
class Lut(ColorMap):
    """One table of colors for the whole foreground."""

    table: Floats  # (17, 17, 17, 3), indexed by red, green, blue; values are colors in [0, 1]

    def changing(self, _: Pixels, __: slice) -> Changed:
        """See :class:`phnet.harmonization.color_map.ColorMap`; interpolation is trilinear."""
        steps = self.table.shape[0] - 1
        flat = self.table.reshape(-1, 3)

        def changed(rgb: list[Floats], _: slice) -> list[Floats]:
            position = [np.clip(channel, 0, 1) * steps for channel in rgb]
            low = [np.minimum(p.astype(np.int32), steps - 1) for p in position]
            part = [p - i for p, i in zip(position, low, strict=True)]
            total = np.zeros((*rgb[0].shape, 3), np.float32)
            first = (low[0] * (steps + 1) + low[1]) * (steps + 1) + low[2]
            for corner in range(8):
                bits = [corner >> 2 & 1, corner >> 1 & 1, corner & 1]
                share = np.ones_like(rgb[0])
                for f, bit in zip(part, bits, strict=True):
                    share = share * (f if bit else 1 - f)
                entry = first + (bits[0] * (steps + 1) + bits[1]) * (steps + 1) + bits[2]
                total += share[..., None] * flat[entry]
            return [total[..., c] for c in range(3)]

        return changed

    def apply(
        self,
        composite: Pixels,
        mask: Floats,
        strength: float = LookOptions.strength,
        threads: int = 1,
        trims: Trims | None = None,
    ) -> Pixels:
        """See :class:`phnet.harmonization.color_map.ColorMap`.

        Pictures of 8 bits go through Pillow's table of integers, and differ by at most a level;
        what would enlarge that difference is computed in floats.
        """
        if composite.dtype != np.uint8 or strength > 1 or trims:
            return super().apply(composite, mask, strength, threads, trims)
        from PIL import Image, ImageFilter

        size = self.table.shape[0]
        entries = np.clip(self.table, 0, 1).transpose(2, 1, 0, 3).ravel()  # red changes fastest
        table: Any = ImageFilter.Color3DLUT(size, entries.tolist())
        output = np.array(composite)
        rows = np.flatnonzero(mask.any(1))

        def work(start: int) -> None:
            part = slice(start, min(start + step, int(rows[-1]) + 1))
            own = np.ascontiguousarray(composite[part])
            changed = np.asarray(Image.fromarray(own).filter(table))
            share = np.ascontiguousarray(mask[part] * np.float32(strength), np.float32)
            output[part] = cv2.blendLinear(changed, own, share, 1 - share)

        step = max(1, 4 * STRIP_PIXELS // mask.shape[1])
        starts = range(int(rows[0]), int(rows[-1]) + 1, step) if rows.size else range(0)
        on_threads(work, starts, threads)
        return output

    def write_cube(self, path: str | os.PathLike[str], title: str = "phnet") -> None:
        """Write what :meth:`cube` makes."""
        write_text(path, self.cube(title))

    def cube(self, title: str = "phnet") -> str:
        """The text of an Adobe ``.cube`` file (Photoshop, Resolve, OBS read it)."""
        # Red changes fastest.
        size = self.table.shape[0]
        values = np.clip(self.table, 0, 1).transpose(2, 1, 0, 3).reshape(-1, 3)
        lines = [f'TITLE "{title}"', f"LUT_3D_SIZE {size}", "DOMAIN_MIN 0 0 0", "DOMAIN_MAX 1 1 1"]
        lines += [f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in values]
        return "\n".join(lines) + "\n"


def fit_lut(composite: Floats, result: Floats, mask: Floats, size: int = SIZE) -> Lut:
    """Fit a :class:`Lut`: at each entry an affine map of the colors around it.

    Colors near the entry weigh more (a Gaussian); where there are none, the map of the whole
    foreground takes over smoothly. The Gaussian of a distance is the product of three, one a
    channel: the sums over colors at all entries are then one product of matrices.

    Args:
        composite: RGB (h, w, 3) in [0, 1].
        result: the same, harmonized and blended.
        mask: (h, w) in [0, 1].
        size: entries a side.
    """
    predicted, weight = unblend(composite, result, mask)
    whole = affine_fit(composite, predicted, weight)
    inside = np.flatnonzero(weight.ravel() > 0)
    if inside.size > SAMPLES:  # evenly spaced, so that the same input gives the same table
        inside = inside[np.linspace(0, inside.size - 1, SAMPLES).astype(np.intp)]
    x, y = (
        np.stack([channel.ravel()[inside] for channel in channels])  # (3, n)
        for channels in smooth([composite, predicted], weight)
    )
    w = weight.ravel()[inside]
    features = np.concatenate([x, np.ones_like(x[:1])])  # (4, n)
    products = features[:, None] * np.concatenate([features, y]) * w  # (4, 7, n)
    ticks = np.linspace(0, 1, size, dtype=np.float32)
    red, green, blue = np.exp((ticks[:, None] - x[:, None]) ** 2 / (-2 * SIGMA**2))
    left = (red[:, None] * products.reshape(28, -1)).reshape(size * 28, -1)
    right = (green[:, None] * blue).reshape(size * size, -1)
    sums = (left @ right.T).astype(np.float64).reshape(size, 4, 7, size * size)
    sums = sums.transpose(0, 3, 1, 2).reshape(-1, 4, 7)  # red changes slowest
    ridge = RIDGE * max(float(w.sum()), 1e-9) * np.eye(4)
    maps = np.linalg.solve(sums[..., :4] + ridge, sums[..., 4:] + ridge @ whole)  # (entries, 4, 3)
    entries = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).reshape(-1, 1, 3)
    table = entries @ maps[:, :3] + maps[:, 3:]
    return Lut(np.clip(table, 0, 1).astype(np.float32).reshape(size, size, size, 3))
