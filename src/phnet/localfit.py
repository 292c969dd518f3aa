"""Affine maps fitted in windows: the algebra that the lift and the matte's guided filter share.

Planes are arrays, or values of a graph (:mod:`phnet.graphs`): only arithmetic is done with them.
"""

from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from typing import Any

Planes = dict[tuple[int, int], Any]
PLACES = tuple(combinations_with_replacement(range(3), 2))  # of a symmetric 3x3 matrix, i <= j


def inverse(symmetric: Planes) -> Planes:
    """The inverses of symmetric 3x3 matrices, planes (i, j) with i <= j, by their cofactors."""
    a, b, c, d, e, f = (symmetric[place] for place in PLACES)
    cofactors = {
        (0, 0): d * f - e * e,
        (0, 1): c * e - b * f,
        (0, 2): b * e - c * d,
        (1, 1): a * f - c * c,
        (1, 2): b * c - a * e,
        (2, 2): a * d - b * b,
    }
    determinant = a * cofactors[0, 0] + b * cofactors[0, 1] + c * cofactors[0, 2]
    return {place: plane / determinant for place, plane in cofactors.items()}


def times(symmetric: Planes, vector: Sequence[Any]) -> list[Any]:
    """Symmetric 3x3 matrices times vectors of three planes."""
    rows = [[symmetric[min(i, k), max(i, k)] for k in range(3)] for i in range(3)]
    x, y, z = vector
    return [row[0] * x + row[1] * y + row[2] * z for row in rows]


def guided_fit(
    mean: Callable[[Any], Any], guide: Sequence[Any], target: Any, epsilon: float
) -> list[Any]:
    """The guided filter's maps before they are averaged (He et al., 2013, eq. 14 and 15).

    Args:
        mean: over the windows around each place.
        guide: three planes.
        target: the plane that they shall explain.
        epsilon: what a slope costs.

    Returns:
        three slopes and the offset.
    """
    means, mean_target = [mean(plane) for plane in guide], mean(target)
    covariance = {}
    for i, j in PLACES:
        covariance[i, j] = mean(guide[i] * guide[j]) - means[i] * means[j]
        if i == j:
            covariance[i, j] = covariance[i, j] + epsilon
    mixed = [mean(guide[i] * target) - means[i] * mean_target for i in range(3)]
    slopes = times(inverse(covariance), mixed)
    offset = mean_target
    for slope, average in zip(slopes, means, strict=True):
        offset = offset - slope * average
    return [*slopes, offset]
