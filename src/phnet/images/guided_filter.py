"""Affine maps fitted in windows: the algebra that the lift and the matte's guided filter share.

Planes are arrays, or values of a graph (:mod:`phnet.web.graphs`): all is arithmetic.
"""

from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from typing import Any

Planes = dict[tuple[int, int], Any]
PLACES = tuple(combinations_with_replacement(range(3), 2))  # of a symmetric 3x3 matrix, i <= j


def solve(symmetric: Planes, *vectors: Sequence[Any]) -> list[list[Any]]:
    """Solve symmetric 3x3 systems by their cofactors.

    Args:
        symmetric: the matrices, planes (i, j) with i <= j.
        vectors: right sides of three planes each.

    Returns:
        a solution of three planes for each right side.
    """
    a, b, c, d, e, f = (symmetric[place] for place in PLACES)
    rows = [
        (d * f - e * e, c * e - b * f, b * e - c * d),
        (a * f - c * c, b * c - a * e),
        (a * d - b * b,),
    ]
    scale = 1 / (a * rows[0][0] + b * rows[0][1] + c * rows[0][2])
    cofactors = [[rows[min(i, k)][abs(i - k)] for k in range(3)] for i in range(3)]
    return [
        [(row[0] * x + row[1] * y + row[2] * z) * scale for row in cofactors] for x, y, z in vectors
    ]


def guided_filter(
    mean: Callable[[Any], Any], guide: Sequence[Any], target: Any, epsilon: float
) -> list[Any]:
    """The maps of a guided filter with a color guide (He et al., TPAMI 2013, eq. 14 to 16).

    Args:
        mean: over the windows around each place.
        guide: three planes.
        target: the plane that they shall explain.
        epsilon: what a slope costs.

    Returns:
        three slopes and the offset for each place: the means over all windows that hold it.
    """
    means, mean_target = [mean(plane) for plane in guide], mean(target)
    covariance = {}
    for i, j in PLACES:
        moment = mean(guide[i] * guide[j]) - means[i] * means[j]
        covariance[i, j] = moment + epsilon if i == j else moment
    mixed = [mean(guide[i] * target) - means[i] * mean_target for i in range(3)]
    (slopes,) = solve(covariance, mixed)
    offset = mean_target
    for slope, average in zip(slopes, means, strict=True):
        offset = offset - slope * average
    return [mean(plane) for plane in (*slopes, offset)]
