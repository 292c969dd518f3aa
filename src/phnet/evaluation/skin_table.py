"""Tables by skin tone: signed change of luma, and error, in three bins.

Skin and bins are those of :mod:`phnet.datasets.skin_tone`, found in the true photo. A method that
lightens dark skin shows here, where it may not in the mean of a set.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from phnet.datasets.skin_tone import TONES, Skin, tone_of
from phnet.evaluation.no_reference import LUMA
from phnet.evaluation.statistics import intervals
from phnet.images.arrays import Doubles

COLUMNS = 4  # angle, change, against the true photo, squared error


def measure(
    predicted: npt.ArrayLike, composite: npt.ArrayLike, real: npt.ArrayLike, skin: Skin | None
) -> list[float]:
    """One image's row: NaN where there is no face.

    Args:
        predicted: (H, W, 3) in [0, 255].
        composite: the same.
        real: the same.
        skin: of the true photo.

    Returns:
        The typology angle in degrees; the mean luma of the skin less that of the composite, and
        less that of the true photo, in gray levels; its mean squared error to the true photo.
    """
    if skin is None:
        return [float("nan")] * COLUMNS
    after, before, true = (
        np.asarray(each, np.float64)[skin.where] for each in (predicted, composite, real)
    )
    luma = [float((pixels @ LUMA).mean()) for pixels in (after, before, true)]
    error = float(np.mean((after - true) ** 2))
    return [skin.angle, luma[0] - luma[1], luma[0] - luma[2], error]


def by_tone(rows: Doubles) -> dict[str, Any]:
    """Means of each bin, of rows of :func:`measure` (n, 4); None where a bin is empty."""
    known = rows[~np.isnan(rows[:, 0])]
    tones = np.array([tone_of(angle) for angle in known[:, 0]])
    result: dict[str, Any] = {}
    for tone in TONES:
        some = known[tones == tone, 1:] if len(known) else known[:, 1:]
        means = some.mean(0).tolist() if len(some) else [None] * (COLUMNS - 1)
        ends = intervals(some)[:, 1].tolist() if len(some) else [None, None]
        result[tone] = {
            "n": len(some),
            "luma_change": means[0],
            "luma_against_truth": means[1],
            "luma_against_truth_interval": ends,
            "mse": means[2],
        }
    return result


def cells(found: dict[str, Any]) -> list[str]:
    """A bin's cells: images, change, against the true photo with its interval, error."""
    if not found["n"]:
        return ["0", "-", "-", "-"]
    low, high = found["luma_against_truth_interval"]
    return [
        str(found["n"]),
        f"{found['luma_change']:+.1f}",
        f"{found['luma_against_truth']:+.1f} [{low:+.1f}, {high:+.1f}]",
        f"{found['mse']:.1f}",
    ]


HEADS = ("n", "luma, change", "luma, result - true photo", "MSE on skin")


def rows_of(methods: list[dict[str, Any]]) -> list[list[str]]:
    """A table's rows with its head, of a summary's methods."""
    lines = [["method", "skin tone", *HEADS]]
    for method in methods:
        for tone, found in method["skin_tone"].items():
            lines.append([method["name"], tone, *cells(found)])
    return lines
